"""Tests of `egbad.detectors.patchcore`."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone

from egbad import load
from egbad.backbones import FeatureConfig, load_backbone
from egbad.data import read
from egbad.data.ragged import ragged_array
from egbad.detectors.blend import Blend
from egbad.detectors.patchcore import PatchCore, neighbour_weight
from egbad.detectors.tiled import Tiled
from egbad.errors import CalibrationWarning, InvalidInputError, UnreadableFileError
from tests.detectors.counted_backbone import CountedBackbone
from tests.detectors.striped_images import spoiled, stripes

SMALL = {"image_size": 128, "max_patches": 1000}


def small(**parameters):
    return PatchCore(**{"feature_config": FeatureConfig(**SMALL), "memory_size": 200, "alpha": 0.4, **parameters})


def counted(**parameters):
    config = FeatureConfig(image_size=32, max_patches=400, pooling=1)
    return small(
        backbone=CountedBackbone(), feature_config=config, memory_size=40, random_state=0, alpha=0.2, **parameters
    )


@pytest.fixture(scope="module")
def fitted():
    return small(random_state=0).fit(stripes(40))


# -- formulas ----------------------------------------------------------------------------------------------------------


def test_the_weight_is_the_papers():
    patch, neighbours = torch.zeros(2), torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    expected = 1 - np.exp(1) / (np.exp(1) + np.exp(2) + np.exp(3))
    assert neighbour_weight(patch, 1.0, neighbours) == pytest.approx(expected)
    assert neighbour_weight(patch, 1.0, neighbours[:1]) == 0


# -- scores ------------------------------------------------------------------------------------------------------------


def test_defects_are_found_and_located(fitted):
    normal, anomalous = stripes(8, 1), spoiled(stripes(8, 2))
    assert fitted.anomaly_score(anomalous).min() > fitted.anomaly_score(normal).max()
    for one in fitted.map_checked(anomalous):
        i, j = np.unravel_index(one.argmax(), one.shape)
        assert 32 <= i < 72 and 64 <= j < 104, "in the square, or within a patch of it"


def test_the_bits_of_a_score_do_not_depend_on_other_images_or_threads(fitted):
    x, threads = stripes(5, 1), torch.get_num_threads()
    scores = fitted.anomaly_score(x)
    try:
        torch.set_num_threads(3)
        assert np.array_equal(fitted.anomaly_score(x[::-1])[::-1], scores)
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal([fitted.anomaly_score(x[i : i + 1])[0] for i in range(5)], scores)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).anomaly_score(x), scores)
    assert np.array_equal(clone(fitted).fit(stripes(40)).anomaly_score(x), scores), "the same seed"


def test_terms_and_shares_add_up_to_the_score(fitted):
    x = spoiled(stripes(3, 1))
    score, found = fitted.anomaly_score(x), fitted.explain(x)
    assert fitted.score_terms(x).keys() == {"patches"}
    assert found.score == pytest.approx(score) and found.shares.shape == x.shape
    assert found.shares.sum((1, 2)) == pytest.approx(score)
    inside = found.shares[:, 30:74, 62:106].sum((1, 2))
    assert (inside > 0.7 * score).all()


def test_normal_images_are_flagged_at_about_alpha():
    x = np.random.default_rng(0).integers(90, 130, (900, 32, 32)).astype(np.uint8)
    detector = counted(calibration_fraction=0.5).fit(x[:400])
    assert np.mean(detector.predict(x[400:]) == -1) == pytest.approx(0.2, abs=0.08)


def test_the_papers_recipe_takes_the_highest_patch_times_the_weight():
    config = FeatureConfig(image_size=64, max_patches=1000)
    detector = small(recipe="paper", feature_config=config, memory_size=None, random_state=0).fit(stripes(20))
    settings = detector.settings_
    assert (settings.feature_config.whitening, settings.feature_config.image_size) == (False, 64)
    assert len(detector.memory_.memory) == 100 and detector.extractor_.input.size == (64, 64)
    x = spoiled(stripes(2, 1))
    plain = clone(detector).set_params(reweighting=False).fit(stripes(20))
    patches = plain.extractor_.patches(x)
    highest = [plain.memory_.nearest(torch.from_numpy(one.reshape(-1, 152)))[0].max().item() for one in patches]
    assert plain.anomaly_score(x) == pytest.approx(highest)
    assert (detector.anomaly_score(x) < plain.anomaly_score(x)).all()


def test_images_of_any_size_and_from_files(tmp_path):
    rng = np.random.default_rng(0)
    images = ragged_array([rng.integers(90, 110, (3, 110 + i, 120 - i), dtype=np.uint8) for i in range(20)])
    for i, image in enumerate(images):
        Image.fromarray(np.moveaxis(image, 0, 2)).save(tmp_path / f"{i:02}.png")
    detector = small(random_state=0).fit(images)
    lazy = small(random_state=0).fit(read(tmp_path, lazy=True))
    new = ragged_array([spoiled(image) for image in images[:2]])
    assert np.array_equal(detector.anomaly_score(new), lazy.anomaly_score(new))
    explanation, maps = detector.explain(new), detector.map_checked(new)
    for share, one, image, score in zip(explanation.shares, maps, new, explanation.score, strict=True):
        assert share.shape == one.shape == image.shape[1:] and share.sum() == pytest.approx(score)


def test_extreme_pixels_have_finite_scores():
    images = np.random.default_rng(0).normal(size=(20, 12, 10))
    for x in (images, images * 1e25, np.full_like(images, 1e29)):
        detector = small(random_state=0).fit(x)
        assert np.isfinite(detector.anomaly_score(np.concatenate([x[:1] * 1e3, x[:1] * 0, x[:1]]))).all()


# -- order of the training images --------------------------------------------------------------------------------------


def of_five_days(n, seed=0):
    """Return images of noise on a background that is another one for each fifth of them."""
    rng = np.random.default_rng(seed)
    backgrounds = rng.normal(scale=30, size=(5, 32, 32))[np.arange(n) * 5 // n]
    return (128 + backgrounds + rng.normal(scale=6, size=(n, 32, 32))).clip(0, 255).astype(np.uint8)


def test_images_that_drift_are_reported_and_images_in_any_order_are_not():
    x = of_five_days(60)
    shuffled = np.random.default_rng(0).permutation(x)
    vectors = {"backbone": CountedBackbone(), "feature_config__global_size": 32}
    memory = {"backbone": CountedBackbone(), "feature_config": counted().feature_config, "memory_size": 40}
    for detector in (
        counted(),
        Blend(parts={"patchcore": memory, "gaussian-vectors": vectors}, alpha=0.2, random_state=0),
    ):
        with pytest.warns(CalibrationWarning, match="Training images depend on their order") as raised:
            detector.fit(x)
        drift = detector.order_drift
        assert drift.is_clear and f"{drift.rate:.0%} of them are above a threshold for 20%" in str(raised[0].message)
        assert raised[0].filename == __file__, "the warning names the line of the call"
        assert not detector.fit(shuffled).order_drift.is_clear


def test_the_order_is_judged_without_another_pass_of_the_backbone():
    detector = counted()
    detector.backbone.taken()
    detector.fit(np.random.default_rng(0).permutation(of_five_days(60)))
    assert detector.backbone.taken() == 1 + 54 + 2 * 6, "layers are found once; scores and maps of held-out images"


def test_the_order_of_tiles_is_not_judged():
    parameters = {"backbone": CountedBackbone(), "feature_config": counted().feature_config, "memory_size": 40}
    detector = Tiled(detector="patchcore", detector_params=parameters, tile_size=16, alpha=0.4, random_state=0)
    assert detector.fit(of_five_days(40)).order_drift is None


# -- model files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference_backbone", [False, True])
def test_a_loaded_detector_equals_the_saved_one(fitted, reference_backbone, tmp_path):
    x, path = spoiled(stripes(3, 1)), tmp_path / "m.egbad"
    fitted.save(path, reference_backbone=reference_backbone)
    again = load(path)
    assert np.array_equal(again.anomaly_score(x), fitted.anomaly_score(x))
    assert np.array_equal(again.predict(x), fitted.predict(x)) and again.describe() == fitted.describe()
    again.save(tmp_path / "again.egbad", reference_backbone=reference_backbone)
    assert (tmp_path / "again.egbad").read_bytes() == path.read_bytes()
    assert (path.stat().st_size < 10**6) == reference_backbone, "the weights are in the file or not"


def damaged(fitted, state=None, **arrays):
    manifest, content = fitted.content()
    if state is not None:
        manifest = manifest.model_copy(update={"state": manifest.state | {"method": state}})
    kept = {name: array for name, array in (content | arrays).items() if array is not None}
    with pytest.raises(UnreadableFileError, match=r"^m does not fit PatchCore: .*\. Fit again\.$") as raised:
        PatchCore.from_file(manifest, kept, "m")
    return str(raised.value)


def test_damaged_files_are_refused(fitted):
    memory = fitted.memory_.memory.numpy()
    assert "'memory.patches' must have shape" in damaged(fitted, **{"memory.patches": memory[:, :5]})
    assert "'memory.patches' must be finite" in damaged(fitted, **{"memory.patches": memory * np.float32(np.nan)})
    assert "'memory.patches' is missing" in damaged(fitted, **{"memory.patches": None})
    assert "'features.range' is missing" in damaged(fitted, **{"features.range": None})
    assert "sha256" in damaged(fitted, **{"backbone.stem.bias": np.ones(32, np.float32)})
    assert "'backbone.stem.bias' is missing" in damaged(fitted, **{"backbone.stem.bias": None})
    assert "'state.method.backbone' is invalid" in damaged(fitted, state={})


def test_a_referenced_backbone_must_have_the_digest(fitted):
    manifest, arrays = fitted.content()
    state = {"backbone": manifest.state["method"]["backbone"] | {"sha256": "0" * 64}}
    weights = {name: None for name in arrays if name.startswith("backbone.")}
    assert "must be the digest of the installed weights" in damaged(fitted, state=state, **weights)


def test_a_backbone_may_be_an_object():
    detector = small(backbone=load_backbone("efficientnet_lite0"), random_state=0).fit(stripes(20))
    assert detector.json_parameters()["backbone"] == "efficientnet_lite0"
    assert np.array_equal(
        detector.anomaly_score(stripes(2, 1)), small(random_state=0).fit(stripes(20)).anomaly_score(stripes(2, 1))
    )


# -- errors ------------------------------------------------------------------------------------------------------------


def test_tables_are_refused():
    with pytest.raises(InvalidInputError, match="PatchCore learns images, got a table with 3 columns"):
        PatchCore().fit(np.zeros((30, 3)))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"memory_size": 0}, "memory_size: input should be greater than or equal to 1, got 0"),
        ({"border": 0.5}, "border: input should be less than 0.5"),
        ({"feature_config": FeatureConfig(image_size=8)}, "feature_config.image_size: input should be greater"),
        ({"feature_config": {"image_size": 64}}, "feature_config must be a FeatureConfig or None"),
        ({"feature_config": FeatureConfig(layers=["block_99"])}, "There is no layer .* 'block_99'"),
        ({"backbone": "resnet"}, "There is no backbone 'resnet'"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(InvalidInputError, match=message):
        PatchCore(**parameters).fit(stripes(4))


def test_options_of_the_group_can_be_set_by_name():
    detector = PatchCore().set_params(feature_config__image_size=96, memory_size=5)
    assert detector.feature_config.image_size == 96 == detector.get_params()["feature_config__image_size"]
