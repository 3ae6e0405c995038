"""Tests of `egbad.detectors.blend_images`: the default detector of photographs."""

import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from egbad import Blend, load, model_file
from egbad.data import read
from egbad.data.ragged import ragged_array
from egbad.detectors import blend_images
from egbad.detectors.blend_images import usual_shape
from egbad.errors import InvalidInputError, UnreadableFileError
from egbad.scoring.calibration import NegativeLogTail
from egbad.training import TrainingConfig
from tests.detectors.striped_images import spoiled, stripes

SMALL = {
    "patchcore": {"feature_config__image_size": 128, "feature_config__max_patches": 1000, "memory_size": 200},
    "gaussian-vectors": {"feature_config__global_size": 64},
}


def blend(**parameters):
    return Blend(**{"parts": SMALL, "alpha": 0.2, "random_state": 0, **parameters})


@pytest.fixture(scope="module")
def fitted():
    return blend().fit(stripes(40))


# -- choice ------------------------------------------------------------------------------------------------------------


def test_the_usual_size_of_images_decides_which_parts_learn_them():
    photographs, small = Blend().settings_for((3, 65, 64)).parts, Blend().settings_for((3, 64, 64)).parts
    assert photographs == ("patchcore", "gaussian-vectors")
    assert small == ("contrastive", "nearest-correlation", "nearest-colour")
    assert Blend(recipe="photographs").settings_for((1, 20, 20)).parts == photographs
    assert Blend(recipe="photographs").settings_for((5,)).parts == Blend().settings_for((5,)).parts
    assert Blend(recipe="nearest").settings_for((3, 20, 20)).parts == small
    assert usual_shape(ragged_array([np.zeros((3, 20, h)) for h in (30, 50, 90)])) == (3, 20, 50)


def test_without_the_extra_photographs_are_learned_as_small_images_are(monkeypatch):
    monkeypatch.setattr("egbad.detectors.blend_parts.is_installed", lambda name: False)
    monkeypatch.setattr(blend_images, "is_installed", lambda name: False)
    detector = Blend()
    assert detector.settings_for((1, 300, 300)).parts == ("contrastive", "nearest-correlation")
    assert not detector.any_size and detector.lacks_extra((300, 300))
    assert not detector.lacks_extra((64, 64)) and not Blend(parts=["knn"]).lacks_extra((300, 300))


def test_only_parts_that_all_take_any_size_get_images_as_they_come():
    assert Blend().any_size and Blend().streams_images and blend().any_size
    assert not Blend(parts=("patchcore", "knn")).any_size and not Blend(recipe="nearest", parts=("knn",)).any_size
    assert (Blend().small_side, blend().small_side) == (64, 0)


@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")  # one step teaches nothing
def test_small_images_of_files_are_decoded_at_one_size(tmp_path):
    for i, image in enumerate(stripes(20, shape=(30, 40))):
        Image.fromarray(image[: 28 + i % 3]).save(tmp_path / f"{i}.png")
    detector = Blend(training=TrainingConfig(steps=1), alpha=0.4, random_state=0).fit(read(tmp_path, lazy=True))
    assert detector.shape_ == (29, 40) and not detector.any_size and detector.max_side == 128
    with pytest.raises(InvalidInputError, match="was fitted on images of shape"):
        detector.anomaly_score(stripes(2, shape=(30, 40)))


def test_one_tiny_image_among_photographs_changes_nothing(monkeypatch):
    x = ragged_array([*stripes(19), stripes(1, shape=(20, 20))[0]])
    detector = Blend(alpha=0.4, random_state=0)
    detector.prepare_for(x)
    assert detector.any_size and detector.settings_for(detector.encoded_shape).parts[0] == "patchcore"


# -- scores ------------------------------------------------------------------------------------------------------------


def test_defects_are_found_and_located(fitted):
    x = np.concatenate([stripes(20, 1), spoiled(stripes(20, 2))])
    assert roc_auc_score(np.arange(40) >= 20, fitted.anomaly_score(x)) > 0.95
    maps = fitted.anomaly_map(x[20:])
    assert np.array_equal(maps, fitted.parts_["patchcore"].anomaly_map(x[20:]))
    for one in maps:
        i, j = np.unravel_index(one.argmax(), one.shape)
        assert 30 <= i < 74 and 62 <= j < 106


def test_the_score_is_the_weighted_mean_of_the_tails(fitted):
    x = spoiled(stripes(5, 1))
    tails = {
        name: NegativeLogTail(part.calibration_scores_)(part.score_checked(x)) for name, part in fitted.parts_.items()
    }
    assert fitted.weights_ == {"patchcore": 1.0, "gaussian-vectors": 0.25}
    expected = (tails["patchcore"] + 0.25 * tails["gaussian-vectors"]) / 1.25
    assert fitted.anomaly_score(x) == pytest.approx(expected, rel=1e-12)
    assert np.array_equal([fitted.anomaly_score(x[i : i + 1])[0] for i in range(5)], fitted.anomaly_score(x))
    assert np.array_equal(clone(fitted).fit(stripes(40)).anomaly_score(x), fitted.anomaly_score(x))


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_one_pass_of_the_backbone_gives_the_scores_of_both_parts(engine, tmp_path):
    config = {f"feature_config__{key}": 64 for key in ("image_size", "global_size")} | {
        "feature_config__engine": engine
    }
    detector = blend(parts={name: own | config for name, own in SMALL.items()}).fit(stripes(40))
    assert detector.part_scorer_.shared_pass[1:] == ("patchcore", "gaussian-vectors")
    x = spoiled(stripes(5, 1))
    alone = {name: part.score_checked(x) for name, part in detector.parts_.items()}
    for name, scores in detector.part_scorer_.scores(x).items():
        assert np.array_equal(scores, alone[name])
    detector.save(tmp_path / "m.egbad")
    assert np.array_equal(load(tmp_path / "m.egbad").anomaly_score(x), detector.anomaly_score(x))
    assert np.array_equal(pickle.loads(pickle.dumps(detector)).anomaly_score(x), detector.anomaly_score(x))
    detector.fit(stripes(40, 2))
    refitted = {name: part.score_checked(x) for name, part in detector.parts_.items()}
    assert all(np.array_equal(scores, refitted[name]) for name, scores in detector.part_scorer_.scores(x).items())


@pytest.mark.parametrize("layers", [("block_15",), ("block_4", "block_15")])
def test_the_last_layer_may_describe_patches_too(layers):
    config = {f"feature_config__{key}": 64 for key in ("image_size", "global_size")}
    parts = {name: own | config for name, own in SMALL.items()}
    parts["patchcore"] |= {"feature_config__layers": layers}
    detector, x = blend(parts=parts).fit(stripes(40)), stripes(3, 1)
    alone = {name: part.score_checked(x) for name, part in detector.parts_.items()}
    assert detector.part_scorer_.shared_pass is not None
    assert all(np.array_equal(scores, alone[name]) for name, scores in detector.part_scorer_.scores(x).items())


def test_parts_with_images_of_different_sizes_share_no_pass(fitted):
    assert fitted.part_scorer_.shared_pass is None
    rows = np.random.default_rng(0).normal(size=(50, 3))
    assert Blend(parts=("nearest",), alpha=0.2, random_state=0).fit(rows).part_scorer_.shared_pass is None


def test_images_of_any_size_and_of_files_are_learned_scored_and_explained(tmp_path, fitted):
    images = ragged_array([*stripes(10), *stripes(10, shape=(130, 110))])
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{i:02}.png")
    detector, lazy = blend(alpha=0.4).fit(images), blend(alpha=0.4).fit(read(tmp_path, lazy=True))
    new = ragged_array([spoiled(image) for image in images[8:12]])
    scores = detector.anomaly_score(new)
    assert np.array_equal(scores, lazy.anomaly_score(new))
    explanation, maps = detector.explain(new), detector.anomaly_map(new)
    assert explanation.score == pytest.approx(scores)
    for share, one, image in zip(explanation.shares, maps, new, strict=True):
        assert share.shape == one.shape == image.shape
    whole = fitted.explain(spoiled(stripes(3, 1, shape=(100, 140))))
    assert whole.shares.sum((1, 2)) + whole.base == pytest.approx(whole.score), "a size that was not learned"


@pytest.mark.parametrize("smallest", range(4))
def test_a_model_loads_even_if_the_smallest_image_was_held_out(tmp_path, smallest):
    images = [*stripes(4, shape=(96, 96))]
    images[smallest] = images[smallest][:80, :90]
    parts = {"gaussian-vectors": SMALL["gaussian-vectors"]}
    detector = Blend(parts=parts, alpha=0.5, random_state=0).fit(ragged_array(images))
    detector.save(tmp_path / "m.egbad")
    loaded = load(tmp_path / "m.egbad")
    assert loaded.shape_ == detector.shape_ == (80, 90)
    assert np.array_equal(loaded.anomaly_score(stripes(2)), detector.anomaly_score(stripes(2)))


# -- parameters and files ----------------------------------------------------------------------------------------------


def test_parts_have_parameters_and_weights_of_their_own():
    given = {"egbad": {"members": 2, "training__steps": 3, "weight": 3}, "nearest-colour": {}}
    rows = np.random.default_rng(0).normal(size=(60, 4))
    detector = Blend(parts=given, training=TrainingConfig(steps=2), members=1, alpha=0.2, random_state=0).fit(rows)
    egbad = detector.parts_["egbad"]
    assert (egbad.members, egbad.settings_.training.steps) == (2, 3)
    assert detector.weights_ == {"egbad": 3.0, "nearest-colour": 0.5}
    with pytest.raises(InvalidInputError, match="There is no parameter 'neighbours'"):
        Blend(parts={"knn": {"neighbours": 2}}).fit(rows)
    for weight in (0, -1, "2", True):
        with pytest.raises(InvalidInputError, match="The weight of the part 'knn' must be a positive number, got"):
            Blend(parts={"knn": {"weight": weight}}).fit(rows)


def test_a_model_file_holds_the_weights_of_the_backbone_once(fitted, tmp_path):
    path, x = tmp_path / "m.egbad", spoiled(stripes(3, 1))
    fitted.save(path)
    names = [name for name in fitted.content()[1] if name.endswith("backbone.stem.weight")]
    assert names == ["part.patchcore.backbone.stem.weight"]
    again = load(path)
    assert again.any_size and again.min_image_side == fitted.min_image_side
    assert np.array_equal(again.anomaly_score(x), fitted.anomaly_score(x)) and again.digest() == fitted.digest()
    assert np.array_equal(again.anomaly_map(x), fitted.anomaly_map(x)) and again.get_params()["parts"] == SMALL


def test_a_model_file_may_refer_to_the_backbone_of_all_parts(fitted, tmp_path):
    path, x = tmp_path / "m.egbad", spoiled(stripes(3, 1))
    fitted.save(path, reference_backbone=True)
    assert not any("backbone" in name for name in model_file.read(path)[1])
    assert np.array_equal(load(path).anomaly_score(x), fitted.anomaly_score(x))


@pytest.mark.parametrize("copies", [{"part.patchcore.features.mean": "part.nowhere"}, {"calibration": "calibration"}])
def test_copies_of_missing_weights_are_refused(fitted, copies):
    manifest, arrays = fitted.content()
    state = manifest.state | {"method": manifest.state["method"] | {"copies": copies}}
    with pytest.raises(UnreadableFileError, match=r"state\.method\.copies.* must name stored arrays"):
        Blend.from_file(manifest.model_copy(update={"state": state}), arrays, "m")
