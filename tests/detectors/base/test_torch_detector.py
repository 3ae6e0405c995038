"""Detectors whose networks are trained in steps: health, restarts, early stopping and devices."""

import numpy as np
import pytest
import torch

from egbad import EGBAD, load
from egbad.detectors.base import TorchDetector
from egbad.detectors.egbad import EGBADModel
from egbad.detectors.registry import all_detectors
from egbad.errors import HealthWarning, InvalidInputError, TrainingError
from egbad.nn.generators import MemberGenerators
from egbad.training import EarlyStopping, TrainingConfig
from egbad.training.health import Symptom
from egbad.training.loop import train

HARMLESS = Symptom("something is wrong", "Do something.")
USELESS = Symptom("it is worth nothing", "Do something.", restart=True)
WITHOUT_STOPPING = EarlyStopping(criterion="none")


def short_fit(x, *, steps=5, **parameters):
    detector = EGBAD(training=TrainingConfig(steps=steps), random_state=0, alpha=0.05, **parameters)
    return detector.fit(x)


def show(monkeypatch, symptom, members_of):
    """Let every model show a symptom in the members that `members_of(model)` returns as a list of bool."""
    monkeypatch.setattr(
        EGBADModel,
        "symptoms",
        lambda self, x: {symptom: torch.tensor(members_of(self), device=x.device)},
    )


# -- health ------------------------------------------------------------------------------------------------------------


def test_symptoms_at_the_end_are_a_warning_and_are_stored(monkeypatch, tmp_path, ring):
    show(monkeypatch, HARMLESS, lambda model: [False, True])
    with pytest.warns(HealthWarning, match=r"At the end something is wrong \(members 1 of 2\). Do something."):
        detector = short_fit(ring(300, 0), steps=2, members=2)
    detector.save(tmp_path / "model.egbad")
    messages = ["At the end something is wrong (members 1 of 2). Do something."]
    assert load(tmp_path / "model.egbad").health_ == detector.describe()["health"] == messages


def test_a_useless_member_is_trained_again_from_another_seed(monkeypatch, ring):
    x = ring(300, 0)
    options = {"steps": 20, "early_stopping": WITHOUT_STOPPING, "device": "cpu"}
    plain = short_fit(x, members=3, **options)
    show(monkeypatch, USELESS, lambda model: [seed == plain.seeds_[1] for seed in model.generators.seeds])
    restarted = short_fit(x, members=3, **options)
    assert restarted.seeds_[1] != plain.seeds_[1] and restarted.seeds_[::2] == plain.seeds_[::2]
    assert restarted.health_ == [
        "Step 20: it is worth nothing (member 1 of 3); it was trained again from another seed."
    ]
    before, after = plain.model_.state_dict(), restarted.model_.state_dict()
    assert all(torch.equal(before[name][::2], after[name][::2]) for name in before)
    assert not torch.equal(before["E.0.weight"][1], after["E.0.weight"][1])
    assert np.array_equal(plain.history_["EG"][:, 0], restarted.history_["EG"][:, 0])
    assert not np.array_equal(plain.history_["EG"][:, 1], restarted.history_["EG"][:, 1])


def test_a_restarted_member_equals_one_trained_from_its_seed_at_once(monkeypatch, ring):
    x = ring(300, 0)
    first_seeds = short_fit(x, steps=0, members=2).seeds_
    show(monkeypatch, USELESS, lambda model: [seed == first_seeds[1] for seed in model.generators.seeds])
    restarted = short_fit(x, steps=20, members=2, early_stopping=WITHOUT_STOPPING, device="cpu")
    assert restarted.seeds_[1] != first_seeds[1]
    order = np.random.default_rng(0).permutation(len(x))
    rows = torch.from_numpy(restarted.encoder_.encode(x[np.sort(order[len(x) // 10 :])]))
    generators = MemberGenerators([restarted.seeds_[1]])
    alone = EGBADModel((6,), restarted.settings_, generators)
    train(alone, alone.players(), rows, restarted.settings_.training.schedule(len(rows)), generators)
    assert torch.equal(alone.E[0].weight[0], restarted.model_.E[0].weight[1])


def test_members_are_restarted_at_most_twice(monkeypatch, ring):
    x = ring(300, 0)
    first_seeds = short_fit(x, members=3).seeds_
    rounds = []

    def useless_members(model):
        if model.generators.seeds not in rounds:
            rounds.append(model.generators.seeds)
        return {1: [False, True, True], 2: [False, True], 3: [False]}[len(rounds)]

    monkeypatch.setattr(
        EGBADModel,
        "symptoms",
        lambda self, x: {} if self.training else {USELESS: torch.tensor(useless_members(self), device=x.device)},
    )
    seeds = short_fit(x, members=3).seeds_
    assert rounds[0] == first_seeds and [len(members) for members in rounds] == [3, 2, 1]
    assert seeds == (first_seeds[0], rounds[1][0], rounds[2][0])


def test_a_member_that_stays_useless_is_a_warning(monkeypatch, ring):
    show(monkeypatch, USELESS, lambda model: [True])
    with pytest.warns(HealthWarning, match="At the end it is worth nothing. Do something."):
        detector = short_fit(ring(300, 0))
    again = "Step 5: it is worth nothing; it was trained again from another seed."
    assert detector.health_ == [again, again, "At the end it is worth nothing. Do something."]


@pytest.mark.parametrize("options", [{"recipe": "paper"}, {"training__health_interventions": False}])
def test_without_health_interventions_useless_members_are_only_reported(monkeypatch, ring, options):
    show(monkeypatch, USELESS, lambda model: [True])
    detector = EGBAD(random_state=0, alpha=0.05).set_params(training__steps=5, **options)
    with pytest.warns(HealthWarning, match="At the end it is worth nothing. Do something."):
        detector.fit(ring(300, 0))
    assert detector.health_ == ["At the end it is worth nothing. Do something."]


@pytest.mark.parametrize("name", [n for n, kind in sorted(all_detectors().items()) if "paper" in kind.recipes])
def test_papers_neither_intervene_in_training_nor_transform_nor_clip_columns(name):
    published, default = (all_detectors()[name](recipe=recipe).settings_for((6,)) for recipe in ("paper", "default"))
    assert (published.preprocessing.log_columns, published.preprocessing.clip) == ((), 0)
    assert (default.preprocessing.log_columns, default.preprocessing.clip) == (None, 8)
    if issubclass(all_detectors()[name], TorchDetector):
        assert not published.training.health_interventions and default.training.health_interventions


def test_training_that_always_diverges_is_an_error(ring):
    with pytest.raises(TrainingError, match="Training failed 3 times from different seeds: a loss or a weight was not"):
        EGBAD(training=TrainingConfig(steps=50, learning_rate=1e30), random_state=0, alpha=0.05).fit(ring(300, 0))


def test_equal_scores_of_different_rows_are_a_warning(monkeypatch, ring):
    score_terms = EGBADModel.score_terms
    monkeypatch.setattr(
        EGBADModel, "score_terms", lambda self, x: {name: v.round() for name, v in score_terms(self, x).items()}
    )
    with pytest.warns(HealthWarning, match="At the end rows that differ have the same score"):
        short_fit(ring(300, 0))


# -- training ----------------------------------------------------------------------------------------------------------


def test_a_callback_sees_the_detector_as_if_training_had_ended(ring):
    x, calls = ring(300, 0), []
    watched = EGBAD(training=TrainingConfig(steps=20), random_state=0, alpha=0.05)
    watched.fit(x, callback=lambda step: calls.append((step, watched.anomaly_score(x[:9]))), callback_interval=10)
    plain = short_fit(x, steps=20)
    assert [step for step, _ in calls] == [10, 20]
    assert np.array_equal(calls[-1][1], plain.anomaly_score(x[:9]))


def test_small_batches_are_trained_on_one_thread(ring):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    images = np.random.default_rng(0).integers(0, 256, (300, 8, 8)).astype(np.uint8)
    threads = []
    try:
        for x, members in ((ring(300, 0), 1), (ring(300, 0), 200), (images, 1)):
            detector = EGBAD(
                training=TrainingConfig(steps=2),
                early_stopping=WITHOUT_STOPPING,
                members=members,
                random_state=0,
                alpha=0.05,
            )
            detector.fit(x, callback=lambda step: threads.append(torch.get_num_threads()), callback_interval=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert threads == [1, 2, 2]


def test_epochs_are_passes_over_the_training_rows(ring):
    detector = EGBAD(
        training=TrainingConfig(epochs=2, batch_size=50), early_stopping=WITHOUT_STOPPING, random_state=0, alpha=0.05
    ).fit(ring(200, 0))
    assert detector.history_["step"][-1] == 8  # 180 rows, 50 a step: 3.6 steps per epoch


# -- parameters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"recipe": "papr"}, "There is no recipe 'papr'. Did you mean 'paper'"),
        ({"training__learning_rate": -1.0}, "learning_rate: input should be greater than 0, got -1.0"),
        ({"residual_weight": 1.5}, "residual_weight: input should be less than or equal to 1, got 1.5"),
        ({"distance": "far"}, "distance: input should be 'relative', 'norm' or 'correlation', got 'far'"),
        ({"training__steps": 5, "training__epochs": 1.0}, "Give steps or epochs, not both"),
        ({"members": 0}, "members must be at least 1, got 0"),
        ({"alpha": 1.5}, r"alpha must be in \(0, 1\), got 1.5"),
        ({"calibration_fraction": 0.0}, "calibration_fraction must be in"),
        ({"device": "abc"}, "device must be one that torch knows, such as 'cpu' or 'cuda', or 'auto', got 'abc'"),
        ({"random_state": "x"}, "random_state must be a non-negative int"),
    ],
)
def test_invalid_parameters_are_explained_in_one_sentence(given, message, ring):
    with pytest.raises(InvalidInputError, match=message):
        EGBAD().set_params(**given).fit(ring(50, 0))


# -- on a GPU ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning", "ignore::egbad.errors.CalibrationWarning")
@pytest.mark.parametrize("shape", [(12,), (16, 16)])
@pytest.mark.parametrize(
    "name", sorted(name for name, kind in all_detectors().items() if issubclass(kind, TorchDetector))
)
def test_a_detector_trained_on_a_gpu_scores_the_same_on_the_cpu(name, shape, tmp_path):
    options = {"training__steps": 40, "encoder_steps": 40, "search_steps": 3, "n_starts": 2, "members": 2}
    detector = all_detectors()[name](random_state=0, alpha=0.05)
    known = detector.get_params()
    detector.set_params(**{option: value for option, value in options.items() if option in known})
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(400, 3)) @ rng.normal(size=(3, int(np.prod(shape))))).reshape(-1, *shape)
    detector.fit(x[:300])
    assert detector.device_ == "cuda"
    scores = detector.anomaly_score(x[300:])
    assert np.array_equal(scores[17:18], detector.anomaly_score(x[317:318]))
    detector.device = "cpu"
    detector.save(tmp_path / "model.egbad")
    loaded = load(tmp_path / "model.egbad")
    assert loaded.device_ == "cpu"
    np.testing.assert_allclose(loaded.anomaly_score(x[300:]), scores, rtol=2e-3, atol=1e-4)
