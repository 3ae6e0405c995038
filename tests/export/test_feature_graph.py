"""Detectors with a backbone as graphs: images of any size have the scores of the detector."""

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from egbad import load
from egbad.backbones import FeatureConfig
from egbad.backbones.image_input import ImageInput
from egbad.backbones.timm_models import TimmSpec, build_timm
from egbad.cli import main
from egbad.detectors import EGBAD, KNN, Gaussian, PatchCore
from egbad.detectors.blend import Blend
from egbad.detectors.tiled import Tiled
from egbad.errors import InvalidInputError
from egbad.export import export
from egbad.export.feature_graph import PreparedImages, map_patches
from tests.timm_import import import_timm

TOLERANCE = 1e-4  # relative difference of scores, as the documentation states
CONFIG = {"image_size": 64, "global_size": 64, "max_patches": 300}


@pytest.fixture(scope="module")
def backbone():
    """A small network with fixed random weights and maps of two sizes."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 8, stride=8), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.Flatten()
        )


def photos(n, seed=0, shape=(40, 56)):
    """Dark images with noise, every second one with a spot."""
    images = np.random.default_rng(seed).integers(20, 60, (n, *shape)).astype(np.uint8)
    if seed:
        images[::2, ..., 12:24, 20:34] = 250
    return images


def fit(kind, backbone, x=None, **parameters):
    config = FeatureConfig(**CONFIG | parameters.pop("config", {}))
    detector = kind(backbone=backbone, feature_config=config, alpha=0.4, random_state=0)
    return detector.set_params(**parameters).fit(photos(30) if x is None else x)


def assert_same_scores(detector, x, path):
    """Compare terms, p-values and predictions of a detector with those of its export, which is returned."""
    export(detector, path)
    scorer = load(path)
    found, expected = scorer.score_terms(x), detector.score_terms(x)
    assert list(found) == list(expected)
    score, size = detector.anomaly_score(x), np.abs(detector.anomaly_score(x)).mean()
    assert np.abs(scorer.anomaly_score(x) - score).max() < TOLERANCE * size
    assert all(np.abs(found[name] - expected[name]).max() < TOLERANCE * size for name in found)
    assert np.array_equal(scorer.predict(x), detector.predict(x))
    assert scorer.p_value(x) == pytest.approx(detector.p_value(x))
    assert len(set(scorer.predict(x).tolist())) == 2, "some images are flagged"
    return scorer


# -- parts of the graph ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("luminance", [None, 0.2, 0.9])
@pytest.mark.parametrize("shape", [(30, 50), (3, 100, 40), (1, 64, 96)])
def test_images_are_prepared_alike(shape, luminance):
    prepared = ImageInput((64, 96), (32, 32), -3.0, 11.0, luminance)
    x = np.random.default_rng(0).normal(4, 5, (2, *shape)).astype(np.float32)
    found = PreparedImages(prepared, (64, 96))(torch.from_numpy(x))
    assert torch.allclose(found, torch.stack([prepared.prepare(image, (64, 96)) for image in x]), atol=1e-6)


def test_patches_are_compared_in_chunks_of_bounded_size():
    x, sizes = torch.arange(200.0).view(2, 50, 2), []

    def first(rows):
        sizes.append(len(rows))
        return {"first": rows[:, 0]}

    assert torch.equal(map_patches(first, x, 2**19)["first"], x[:, :, 0])
    assert sizes == [32, 32, 32, 4], "two images with 16 patches each"
    with pytest.raises(InvalidInputError, match="Lower feature_config.max_patches"):
        map_patches(first, x, 2**20)


# -- detectors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["default", pytest.param("paper", marks=pytest.mark.slow)])
def test_patchcore_takes_images_of_any_size(recipe, backbone, tmp_path):
    x = [*photos(4, 1), *photos(2, 2, (90, 70)), *photos(2, 3, (64, 96))]
    detector = fit(PatchCore, backbone, recipe=recipe, memory_size=50, memory_fraction=None)
    scorer = assert_same_scores(detector, x, tmp_path / "m.onnx")
    scores = scorer.anomaly_score(x)
    assert np.array_equal([scorer.anomaly_score([image])[0] for image in x], scores)
    assert np.array_equal(scorer.anomaly_score(np.stack(x[:4])), scores[:4])
    assert (scorer.any_size, scorer.min_image_side, scorer.enough_side) == (True, 8, detector.enough_side)
    assert scorer.describe()["backbone"] == detector.describe()["backbone"]


@pytest.mark.parametrize(
    ("kind", "features"),
    [
        (Gaussian, "patches"),
        *(pytest.param(kind, "global", marks=pytest.mark.slow) for kind in (Gaussian, KNN, EGBAD)),
        *(pytest.param(kind, "patches", marks=pytest.mark.slow) for kind in (KNN, EGBAD)),
    ],
)
def test_features_of_images_have_the_scores_of_the_detector(kind, features, backbone, tmp_path):
    options = {"training__steps": 5, "members": 2} if kind is EGBAD else {}
    detector = fit(kind, backbone, features=features, **options)
    scorer = assert_same_scores(detector, photos(8, 1), tmp_path / "m.onnx")
    for wrong in (photos(1, shape=(41, 56)), photos(1, shape=(3, 40, 56))):
        with pytest.raises(InvalidInputError) as expected:
            detector.anomaly_score(wrong)
        with pytest.raises(InvalidInputError) as found:
            scorer.anomaly_score(wrong)
        assert str(found.value) == str(expected.value).replace(kind.__name__, f"The exported '{detector.name}'")


@pytest.mark.slow
def test_colour_images_of_16_bits_and_other_scales(backbone, tmp_path):
    x = photos(30, shape=(3, 40, 56)).astype(np.uint16) * np.uint16(257)
    scorer = assert_same_scores(
        fit(PatchCore, backbone, x, memory_size=50), photos(6, 1, (3, 40, 56)), tmp_path / "m.onnx"
    )
    eight, fraction = photos(6, 1, (3, 40, 56)), photos(6, 1, (3, 40, 56)) / 255
    assert scorer.anomaly_score(fraction) == pytest.approx(scorer.anomaly_score(eight), rel=1e-4)


@pytest.mark.slow
def test_tiles_have_the_scores_of_the_detector(backbone, tmp_path):
    x = photos(30, shape=(80, 90))
    detector = Tiled(
        detector="patchcore",
        detector_params={"backbone": backbone, "feature_config": FeatureConfig(**CONFIG), "memory_size": 50},
        tile_size=48,
        max_tiles=60,
        alpha=0.4,
        random_state=0,
    ).fit(x)
    assert_same_scores(detector, photos(4, 1, (80, 90)), tmp_path / "m.onnx")


@pytest.mark.slow
def test_parts_of_a_blend_share_their_backbone(backbone, tmp_path):
    shared = {"backbone": backbone, "feature_config": FeatureConfig(**CONFIG)}
    parts = {"patchcore": shared | {"memory_size": 50}, "gaussian": shared | {"features": "patches"}}
    blend = Blend(parts=parts, alpha=0.4, random_state=0).fit(photos(30))
    assert len(blend.backbones) == 2
    scorer = assert_same_scores(blend, [*photos(4, 1), *photos(4, 2, (64, 80))], tmp_path / "m.onnx")
    assert scorer.min_image_side == 8
    operators = [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node]
    assert operators.count("Conv") == 2 and operators.count("Resize") == 2, "as in the graph of one part"


@pytest.mark.slow
def test_files_have_the_scores_of_the_detector_on_the_command_line(tmp_path):
    """EfficientNet-Lite0, and JPEG files that are decoded with fewer pixels."""
    (tmp_path / "photos").mkdir()
    for i, image in enumerate(photos(24, 1, (1200, 1600))):
        Image.fromarray(image).save(tmp_path / "photos" / f"{i}.jpg")
    detector = fit(PatchCore, "efficientnet_lite0", photos(30, shape=(120, 160)), memory_size=100)
    assert_same_scores(detector, photos(4, 1, (120, 160)), tmp_path / "m.onnx")
    detector.save(tmp_path / "m.egbad")
    scores = []
    for model in ("m.egbad", "m.onnx"):
        out = tmp_path / f"{model}.csv"
        assert main(["score", str(tmp_path / model), str(tmp_path / "photos"), "--out", str(out)]) == 0
        scores.append(pd.read_csv(out)["score"])
    assert scores[1].to_numpy() == pytest.approx(scores[0].to_numpy(), rel=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_networks_of_timm_have_the_scores_of_the_detector(name, tmp_path):
    pytest.importorskip("huggingface_hub", reason="the extra timm is not installed")
    import_timm()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_timm(TimmSpec.parse(f"timm:{name}"))
    assert_same_scores(fit(PatchCore, network, memory_size=50), photos(4, 1), tmp_path / "m.onnx")


class Strange(nn.Module):
    """A network with an operator that egbad does not run."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 8, stride=8), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return self.last(torch.round(self.first(x)))


def test_a_network_with_other_operators_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(
        InvalidInputError, match=r"^PatchCore cannot be exported: its graph must have operators .* got Round\.$"
    ):
        export(fit(PatchCore, Strange(), memory_size=50), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
