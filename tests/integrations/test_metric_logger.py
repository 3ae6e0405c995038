"""Tests of `egbad.integrations.metric_logger`."""

from types import SimpleNamespace

import numpy as np
import pytest

from egbad import EGBAD, EarlyStopping, TrainingConfig
from egbad.detectors import KNN
from egbad.errors import InvalidInputError
from egbad.integrations import MetricLogger
from egbad.integrations.metric_logger import image_rows

X = np.random.default_rng(0).normal(size=(150, 4))


class Memory(MetricLogger):
    """Keeps what is logged."""

    def __init__(self, **options):
        super().__init__(**options)
        self.metrics, self.pictures, self.results = {}, {}, []

    def log(self, metrics, step):
        self.metrics.setdefault(step, {}).update(metrics)

    def log_image(self, name, pixels, step):
        self.pictures[step] = (name, pixels)

    def log_result(self, parameters, metrics, detector):
        self.results.append((parameters, metrics))


def test_losses_gradients_scores_and_results_are_logged():
    logger = Memory(every=5, scores={"held out": X[:20]})
    stopping = EarlyStopping(patience=None, interval=5)
    options = {"training": TrainingConfig(steps=20), "early_stopping": stopping}
    detector = EGBAD(members=2, alpha=0.1, random_state=0, **options)
    detector.fit(X, callback=logger, callback_interval=10)
    assert [*logger.metrics] == [5, 10, 15, 20]
    assert {*logger.metrics[5]} == {
        "learning_rate",
        "validation_loss",
        *(f"validation_loss/member_{k}" for k in (0, 1)),
        *(f"{kind}/{player}{end}" for kind in ("loss", "gradient_norm") for player in ("D", "EG")
          for end in ("", "/member_0", "/member_1")),
    }  # fmt: skip
    first = logger.metrics[5]
    assert first["loss/D"] == pytest.approx((first["loss/D/member_0"] + first["loss/D/member_1"]) / 2)
    assert first["loss/D/member_1"] == pytest.approx(detector.history_["D"][4, 1], rel=1e-5)
    assert {"score/held out/median", "score/held out/quantile_95"} <= {*logger.metrics[10]}
    ((parameters, results),) = logger.results
    assert parameters["members"] == "2" and "recipe" in parameters and "n_latent" not in parameters
    assert results["threshold"] == detector.threshold_ and results["training_rows"] == 135


def test_reconstructions_are_logged_as_a_picture():
    images = np.random.default_rng(0).uniform(size=(60, 8, 8))
    logger = Memory(images=images[:5])
    options = {"training": TrainingConfig(steps=4), "alpha": 0.3, "random_state": 0}
    EGBAD(**options).fit(images, callback=logger, callback_interval=2)
    assert [*logger.pictures] == [2, 4]
    name, pixels = logger.pictures[2]
    assert name == "reconstructions" and pixels.shape == (3 * 48, 5 * 48, 3) and pixels.dtype == np.uint8


def test_a_picture_has_lines_of_images_reconstructions_and_differences():
    images = np.zeros((2, 1, 48, 48))
    images[1] = 1
    redrawn = np.full_like(images, 0.5)
    picture = image_rows(images, redrawn)
    assert picture.shape == (144, 96, 3)
    centres = picture[24::48, 24::48, 0]
    assert centres.tolist() == [[0, 255], [128, 128], [128, 128]]
    colours = np.zeros((1, 3, 60, 50))
    colours[0, 0] = 1
    assert image_rows(colours, colours).shape == (180, 50, 3)
    assert image_rows(colours, colours)[0, 0].tolist() == [255, 0, 0]


def test_a_detector_without_steps_or_reconstructions_logs_its_result():
    logger = Memory(scores={"x": X})
    KNN(alpha=0.1).fit(X, callback=logger)
    assert logger.metrics == {} and len(logger.results) == 1


def test_a_mean_leaves_out_members_that_are_not_finite():
    at = SimpleNamespace(
        step=10,
        learning_rate=0.1,
        validation_loss=None,
        losses={"D": np.array([1.0, np.nan, 3.0])},
        gradient_norms={"D": np.array([np.inf])},
    )
    logger = Memory()
    logger.on_step(at)
    assert logger.metrics[10]["loss/D"] == 2 and np.isnan(logger.metrics[10]["loss/D/member_1"])
    assert np.isnan(logger.metrics[10]["gradient_norm/D"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, r"^every must be a whole number of at least 1, got 0\.$"),
        ({"scores": {"a/b": X}}, r"^Names of scores must have letters, digits, spaces, .* only, got 'a/b'\.$"),
        ({"images": X}, r"^images must be images of one size, of shape \(n_samples, \[channels,\] height, width\)\.$"),
    ],
)
def test_wrong_options_are_one_sentence(options, message):
    with pytest.raises(InvalidInputError, match=message):
        Memory(**options)
