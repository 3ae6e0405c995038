"""Tests of `egbad.training.callbacks`."""

import numpy as np
import pytest
import torch

from egbad import EGBAD, EarlyStopping, TrainingConfig
from egbad.detectors import DSEBM, KNN, VAE, GANomaly
from egbad.errors import InvalidInputError
from egbad.training import Callback
from egbad.training.callbacks import as_callback
from egbad.training.checkpoints import Checkpoints

X = np.random.default_rng(0).normal(size=(150, 4))


class Recorder(Callback):
    """Reads everything there is, and uses random numbers of its own."""

    def __init__(self):
        self.steps, self.looks, self.ends = [], [], []

    def on_step(self, progress):
        torch.rand(3), np.random.rand(3)
        self.steps.append(
            {
                "step": progress.step,
                "rate": progress.learning_rate,
                "losses": progress.losses,
                "norms": progress.gradient_norms,
                "validation": progress.validation_loss,
            }
        )

    def on_look(self, progress, detector):
        torch.rand(3), np.random.rand(3)
        assert progress.n_steps >= progress.step and progress.stage == 0
        scores = detector.anomaly_score(X[:3])
        self.looks.append((progress.step, scores, detector.history_, detector.health_))
        if hasattr(detector, "reconstruct"):
            assert detector.reconstruct(X[:3]).shape == (3, 4)

    def on_end(self, detector):
        self.ends.append(detector.threshold_)


def new_detector(method=EGBAD, **options):
    options = {"training": TrainingConfig(steps=40), "alpha": 0.1, "random_state": 0} | options
    return method(**options)


@pytest.mark.parametrize("method", [EGBAD, VAE, GANomaly, DSEBM])
def test_a_fit_ends_with_the_same_bits_with_and_without_callbacks(method):
    members = {"members": 2}
    plain, recorder = new_detector(method, **members).fit(X), Recorder()
    watched = new_detector(method, **members).fit(X, callback=[recorder, lambda step: None], callback_interval=7)
    for (name, value), (_, other) in zip(
        plain.model_.state_dict().items(), watched.model_.state_dict().items(), strict=True
    ):
        assert torch.equal(value, other), name
    assert np.array_equal(plain.anomaly_score(X[:20]), watched.anomaly_score(X[:20]))
    assert plain.threshold_ == watched.threshold_ == recorder.ends[0] and len(recorder.ends) == 1
    for name, curve in plain.history_.items():
        assert np.array_equal(curve, watched.history_[name], equal_nan=True)
    assert [record["step"] for record in recorder.steps] == [*range(1, 41)]
    assert [step for step, *_ in recorder.looks] == [7, 14, 21, 28, 35]


def test_steps_have_losses_and_gradient_norms_of_every_member():
    recorder = Recorder()
    training = TrainingConfig(steps=40, learning_rate_decay=True)
    detector = new_detector(training=training, members=3).fit(X, callback=recorder)
    assert all([*record["losses"]] == [*record["norms"]] == ["D", "EG"] for record in recorder.steps)
    losses = np.array([record["losses"]["EG"] for record in recorder.steps])
    assert losses.shape == (40, 3)
    assert np.allclose(losses, detector.history_["EG"], rtol=1e-5), "40 steps are recorded one by one"
    norms = np.array([record["norms"]["D"] for record in recorder.steps])
    assert norms.shape == (40, 3) and np.isfinite(norms).all() and (norms > 0).all()
    assert recorder.steps[0]["rate"] == detector.settings_.training.learning_rate > recorder.steps[-1]["rate"]


def test_gradient_norms_are_those_of_the_gradients(two_players, fit):
    seen = []

    def watch(loop):
        for optimizer in loop.optimizers:
            flat = torch.cat([p.grad.flatten(1) for p in optimizer.player.params], dim=1)
            seen.append(torch.allclose(optimizer.gradient_norms(), flat.square().sum(1).sqrt()))

    fit(two_players(members=2), after_step=watch, steps=3)
    assert seen == [True] * 6


def test_the_validation_loss_is_that_of_the_last_check():
    recorder = Recorder()
    stopping = EarlyStopping(patience=None, interval=10)
    new_detector(early_stopping=stopping).fit(X, callback=recorder)
    validation = [record["validation"] for record in recorder.steps]
    assert all(value is None for value in validation[:9]) and validation[9].shape == (1,)
    assert len({float(value[0]) for value in validation[9:]}) == 4
    without, recorder = EarlyStopping(criterion="none"), Recorder()
    new_detector(early_stopping=without).fit(X, callback=recorder)
    assert recorder.steps[-1]["validation"] is None


def test_the_history_is_known_while_training_runs():
    recorder = Recorder()
    detector = new_detector().fit(X, callback=recorder, callback_interval=20)
    _, _, history, health = recorder.looks[0]
    assert history["step"].tolist() == [*range(1, 21)] and health == []
    assert np.array_equal(history["EG"], detector.history_["EG"][:20])
    assert np.array_equal(recorder.looks[1][2]["D"], detector.history_["D"])


def test_a_resumed_fit_is_watched_from_where_it_goes_on(tmp_path):
    def interrupt(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        new_detector().fit(X, checkpoints=Checkpoints(tmp_path, every=0), callback=interrupt, callback_interval=25)
    recorder = Recorder()
    resumed = new_detector().fit(X, checkpoints=Checkpoints(tmp_path, resume=True), callback=recorder)
    assert 1 < recorder.steps[0]["step"] <= 25 and recorder.steps[-1]["step"] == 40
    assert np.array_equal(resumed.anomaly_score(X), new_detector().fit(X).anomaly_score(X))


def test_a_detector_without_steps_has_only_an_end():
    recorder = Recorder()
    detector = KNN(alpha=0.1).fit(X, callback=recorder)
    assert (recorder.steps, recorder.looks, recorder.ends) == ([], [], [detector.threshold_])


def test_an_exception_of_a_callback_ends_the_fit_without_on_end():
    class Stop(Recorder):
        def on_step(self, progress):
            if progress.step == 3:
                raise ValueError("enough")

    stop = Stop()
    with pytest.raises(ValueError, match="^enough$"):
        new_detector().fit(X, callback=stop)
    assert stop.ends == []


def test_of_a_process_group_the_first_process_calls_callbacks_and_all_call_functions():
    recorder, calls = Recorder(), []
    other = as_callback([recorder, calls.append], is_first=False)
    other.on_end(None)

    class At:
        step = 5

    other.on_look(At, None)
    assert recorder.ends == [] and calls == [5]
    assert as_callback(recorder, is_first=False) is None and as_callback(None) is None


@pytest.mark.parametrize("wrong", [3, "log", [Recorder], Recorder])
def test_something_else_than_a_callback_is_one_sentence(wrong):
    with pytest.raises(InvalidInputError, match=r"^callback must be a Callback, a function of the number of steps, or"):
        new_detector().fit(X, callback=wrong)
