"""Options of training as scikit-learn parameters."""

import pytest
from sklearn.base import clone

from egbad import EGBAD
from egbad.training import EarlyStopping, TrainingConfig


@pytest.mark.parametrize("kind", [TrainingConfig, EarlyStopping])
def test_options_are_parameters_that_survive_cloning(kind):
    options = kind()
    assert set(options.get_params()) == {*kind.__dataclass_fields__}
    assert all(value is None for value in options.get_params().values())
    name = next(iter(options.get_params()))
    options.set_params(**{name: "given"})
    assert clone(options).get_params() == options.get_params()


def test_options_are_reached_through_the_detector():
    detector = EGBAD(training=TrainingConfig(steps=200), early_stopping=EarlyStopping(patience=3))
    detector.set_params(training__learning_rate=1e-3, early_stopping__interval=5)
    assert detector.get_params()["training__steps"] == 200
    assert detector.training.learning_rate == 1e-3
    assert (detector.early_stopping.patience, detector.early_stopping.interval) == (3, 5)


def test_positional_options_are_refused():
    with pytest.raises(TypeError):
        TrainingConfig(1e-3)
