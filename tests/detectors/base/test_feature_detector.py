"""Every method on features of images, with a small random backbone."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from egbad import load, model_file
from egbad.backbones import FeatureConfig
from egbad.cli.parameters import create_detector
from egbad.detectors import EGBAD, KNN, PCA, VAE, Gaussian
from egbad.detectors.base.feature_detector import FeatureDetector
from egbad.detectors.registry import all_detectors
from egbad.errors import InvalidInputError, UnreadableFileError

SMALL = {"image_size": 64, "global_size": 64, "max_patches": 300}
QUICK = {"training__steps": 3, "encoder_steps": 3, "search_steps": 2, "n_starts": 1, "n_subvectors": 4}
METHODS = sorted(name for name, kind in all_detectors().items() if issubclass(kind, FeatureDetector))


@pytest.fixture(scope="module")
def backbone():
    """A small network with fixed random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, padding=1))


def photos(n, seed=0, shape=(40, 56)):
    """Dark images with noise."""
    return np.random.default_rng(seed).integers(20, 60, (n, *shape)).astype(np.uint8)


def with_spot(n, seed=1):
    images = photos(n, seed)
    images[:, 12:24, 20:34] = 250
    return images


def create(name, backbone, features, **options):
    known = all_detectors()[name]().get_params()
    options = {"random_state": 0, "alpha": 0.4, "device": "cpu", **QUICK, **options}
    given = {key: value for key, value in options.items() if key in known}
    config = FeatureConfig(**SMALL)
    return all_detectors()[name](backbone=backbone, features=features, feature_config=config).set_params(**given)


@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")
@pytest.mark.parametrize("features", ["global", "patches"])
@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns_features_of_images(name, features, backbone):
    detector = create(name, backbone, features).fit(photos(40))
    x = photos(5, 1)
    scores = detector.anomaly_score(x)
    assert scores.shape == (5,) and np.isfinite(scores).all()
    assert np.array_equal(detector.anomaly_score(x[3:4]), scores[3:4])
    assert np.allclose(sum(detector.score_terms(x).values()), scores)
    assert len(detector.encoded_shape) == 1 and not hasattr(detector, "reconstruct")
    found = detector.explain(x[:2])
    assert found.shares.shape == found.expected.shape == (2, 40, 56)
    assert np.allclose(found.base + found.shares.sum((1, 2)), scores[:2])


@pytest.mark.parametrize("features", ["global", "patches"])
@pytest.mark.parametrize("detector", [EGBAD, VAE, KNN, PCA, Gaussian])
def test_a_spot_is_found_and_located(detector, features, backbone):
    fitted = create(detector.name, backbone, features, training__steps=60).fit(photos(60))
    assert np.quantile(fitted.anomaly_score(with_spot(20)), 0.2) > np.quantile(fitted.anomaly_score(photos(20, 1)), 0.8)
    shares = fitted.explain(with_spot(3)).shares
    within = shares[:, 8:28, 16:38].sum() / shares.sum()
    assert within > (0.5 if features == "patches" else 20 * 22 / (40 * 56))


@pytest.mark.parametrize("features", ["global", "patches"])
def test_a_loaded_detector_has_the_same_scores(features, tmp_path):
    for name in ("egbad", "gaussian"):
        detector = create(name, "efficientnet_lite0", features).fit(photos(30))
        detector.save(tmp_path / "m.egbad")
        again, x = load(tmp_path / "m.egbad"), photos(4, 1)
        assert np.array_equal(again.anomaly_score(x), detector.anomaly_score(x))
        assert again.describe() == detector.describe()
        assert again.describe()["features"]["name"] == "efficientnet_lite0"
        again.save(tmp_path / "again.egbad")
        assert (tmp_path / "again.egbad").read_bytes() == (tmp_path / "m.egbad").read_bytes()


def test_a_file_without_its_backbone_is_refused(tmp_path):
    create("gaussian", "efficientnet_lite0", "global").fit(photos(20)).save(tmp_path / "m.egbad")
    manifest, arrays = model_file.read(tmp_path / "m.egbad")
    del manifest.state["features"]
    model_file.write(tmp_path / "m.egbad", manifest, arrays)
    with pytest.raises(UnreadableFileError, match="'state.features' must be given if and only if there is a backbone"):
        load(tmp_path / "m.egbad")


@pytest.mark.parametrize("features", ["global", "patches"])
def test_the_score_is_the_mean_over_members(features, backbone):
    detector = create("egbad", backbone, features, members=2).fit(photos(40))
    x = photos(4, 1)
    members = detector.member_score_terms(x)
    for term, values in detector.score_terms(x).items():
        assert members[term].shape == (2, 4)
        assert np.allclose(members[term].mean(0), values)
    assert detector.score_spread(x).shape == (4,)


def test_validation_holds_out_whole_images(backbone):
    detector = create("egbad", backbone, "patches", early_stopping__criterion="validation").fit(photos(40))
    assert len(detector.validation_rows_) == 4  # a tenth of 36 images


def test_images_of_any_size_are_scored_after_a_fit_on_several_sizes(backbone):
    images = [photos(1, i, (40 + i, 56))[0] for i in range(20)]
    detector = create("gaussian", backbone, "patches").fit(images)
    found = detector.explain([photos(1, 1, (70, 90))[0], photos(1, 2)[0]])
    assert [part.shape for part in found.shares] == [(70, 90), (40, 56)]
    assert create("gaussian", backbone, "global").fit(photos(20, shape=(200, 300))).shape_ == (200, 300)


def test_training_goes_on_from_fitted_features(backbone):
    detector = create("vae", backbone, "patches").fit(photos(30))
    before = detector.encoder_.mean.copy()
    detector.partial_fit(photos(30, 5))
    assert np.array_equal(detector.encoder_.mean, before)
    assert np.isfinite(detector.anomaly_score(photos(3, 1))).all()


def test_out_of_fold_scores(backbone):
    x = np.concatenate([photos(40), with_spot(1)])
    detector = create("gaussian", backbone, "global", alpha=0.1, calibration_fraction=0.4)
    assert detector.fit_predict(x, n_folds=2)[-1] == -1
    assert detector.decision_scores_.argmax() == 40


def test_latents_of_vectors_but_not_of_patches(backbone):
    detector = create("egbad", backbone, "global").fit(photos(30))
    assert detector.transform(photos(3, 1)).shape == (3, detector.settings_.n_latent)
    with pytest.raises(InvalidInputError, match="cannot be turned into images"):
        detector.sample(2)
    with pytest.raises(InvalidInputError, match="transform needs one row for each image"):
        create("egbad", backbone, "patches").fit(photos(30)).transform(photos(3, 1))


def test_a_copy_has_the_same_parameters(backbone):
    copied = clone(create("gaussian", backbone, "patches"))
    assert copied.features == "patches" and copied.feature_config.max_patches == 300
    assert isinstance(copied.backbone, nn.Sequential)


def test_settings_from_the_command_line():
    settings = ["backbone=efficientnet_lite0", "features=patches", "feature_config.image_size=448"]
    detector = create_detector("egbad", settings)
    assert (detector.backbone, detector.features) == ("efficientnet_lite0", "patches")
    assert detector.feature_config.image_size == 448


def test_egbad_has_few_parameters():
    assert len(EGBAD().get_params(deep=False)) <= 25
    assert "backbone" not in all_detectors()["blend"]().get_params()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"features": "pixels"}, "There is no kind of features 'pixels'"),
        ({"backbone": 3}, "backbone must be a name, a torch module or None, got 3"),
        ({"backbone": None}, "features and feature_config need a backbone"),
        ({"backbone": "efficientnet_lite9"}, "There is no backbone 'efficientnet_lite9'"),
        ({"feature_config__image_size": 3}, "image_size: input should be greater than or equal to 32, got 3"),
        ({"feature_config__layers": ("block_99",)}, "There is no layer of the backbone"),
    ],
)
def test_invalid_parameters_are_explained_in_one_sentence(given, message):
    detector = create("gaussian", "efficientnet_lite0", "patches").set_params(**given)
    with pytest.raises(InvalidInputError, match=message):
        detector.fit(photos(20))


def test_tables_are_refused(backbone):
    with pytest.raises(
        InvalidInputError, match="A backbone describes images, got rows with 3 columns. Leave backbone out"
    ):
        create("gaussian", backbone, "global").fit(np.zeros((20, 3)))


def test_a_torch_module_is_described_but_not_saved(backbone, tmp_path):
    detector = create("gaussian", backbone, "global").fit(photos(20))
    described = detector.describe()
    assert described["features"]["name"] == "module" and described["features"]["sha256"]
    assert described["parameters"]["backbone"] == f"Sequential {described['features']['sha256']}"
    assert len(detector.digest()) == 64 and "Sequential" in repr(detector)
    with pytest.raises(InvalidInputError, match=r"whose backbone is a torch module \(Sequential\) cannot be saved"):
        detector.save(tmp_path / "m.egbad")
    assert not list(tmp_path.iterdir())


def test_a_file_may_refer_to_its_backbone(tmp_path):
    detector, x = create("gaussian", "efficientnet_lite0", "patches").fit(photos(20)), photos(3, 1)
    detector.save(tmp_path / "whole.egbad")
    detector.save(tmp_path / "m.egbad", reference_backbone=True)
    whole, small = ((tmp_path / name).stat().st_size for name in ("whole.egbad", "m.egbad"))
    assert small < whole - 10**6
    again = load(tmp_path / "m.egbad")
    assert np.array_equal(again.anomaly_score(x), detector.anomaly_score(x)) and again.digest() == detector.digest()
    manifest, arrays = model_file.read(tmp_path / "m.egbad")
    manifest.state["features"]["backbone"]["sha256"] = "0" * 64
    model_file.write(tmp_path / "m.egbad", manifest, arrays)
    with pytest.raises(UnreadableFileError, match="must be the digest of the installed weights of the backbone"):
        load(tmp_path / "m.egbad")


def test_a_detector_without_a_backbone_has_none_to_refer_to(tmp_path):
    detector = KNN(alpha=0.2, random_state=0).fit(np.random.default_rng(0).normal(size=(40, 3)))
    detector.save(tmp_path / "m.egbad", reference_backbone=True)
    assert detector.backbones == [] and load(tmp_path / "m.egbad").digest() == detector.digest()
