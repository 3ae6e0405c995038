"""Members of an ensemble: restarts, stages, callbacks and validation rows."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from egbad.errors import InvalidInputError, TrainingError
from egbad.training.ensemble import EnsembleTrainer, split_validation
from egbad.training.health import TIED_SCORES, Symptom
from egbad.training.players import Schedule

USELESS = Symptom("it is useless", "Do something.", restart=True)


@pytest.fixture
def trainer(two_players, rows):
    """A function that returns a trainer of models with two players."""

    class EnsembleOfPlayers(two_players):
        def __init__(self, generators, **options):
            super().__init__(len(generators), **options)
            self.generators = generators
            with torch.no_grad():  # different starts, so that members can be told apart
                self.a.copy_(torch.tensor([[seed / 1000] for seed in generators.seeds]))

        def prepare(self, x):
            self.n_prepared = len(x)

        def stages(self):
            return tuple((player,) for player in self.players())

    def trainer(steps=(20, 10), model_options=None, health_interventions=True, **options):
        common = {"batch_size": 8, "learning_rate": 0.1, "ema_decay": 0, "health_interventions": health_interventions}
        schedules = [Schedule(steps=n, **common) for n in steps]
        options = {"finalize": lambda model: None, "find_tied_members": lambda model: []} | options
        return EnsembleTrainer(
            build=lambda generators: EnsembleOfPlayers(generators, **(model_options or {})),
            x=rows,
            device="cpu",
            schedules=schedules,
            **options,
        )

    return trainer


def test_all_stages_are_trained_in_turn(trainer):
    ensemble = trainer().train([1, 2])
    assert [stage.players for stage in ensemble.stages] == [("a",), ("b",)]
    assert [stage.steps[-1] for stage in ensemble.stages] == [20, 10]
    assert ensemble.model.n_prepared == 40 and ensemble.seeds == (1, 2) and not ensemble.model.training


def test_a_callback_counts_the_steps_of_all_stages_on_a_finalized_model(trainer):
    calls, finalized = [], []
    look = lambda model, progress: calls.append((progress.step, len(finalized)))  # noqa: E731
    options = {"on_look": look, "look_interval": 10}
    trainer(finalize=finalized.append, **options).train([1])
    assert calls == [(10, 1), (20, 2), (30, 3)]
    assert len(finalized) == 4, "once more at the end"


def test_only_failed_members_are_trained_again_from_other_seeds(trainer):
    model_options = {"symptoms": lambda model: {USELESS: torch.tensor([s == 2 for s in model.generators.seeds])}}
    plain = trainer().train([1, 2, 3])
    ensemble = trainer(model_options=model_options).train([1, 2, 3])
    assert ensemble.seeds[::2] == (1, 3) and ensemble.seeds[1] != 2
    assert torch.equal(ensemble.model.a[::2], plain.model.a[::2]) and ensemble.model.a[1] != plain.model.a[1]
    assert ensemble.failed_members() == []


def test_restarts_end_and_the_symptom_remains(trainer):
    built = []
    model_options = {"symptoms": lambda model: built.append(model) or {USELESS: torch.tensor([True])}}
    ensemble = trainer(model_options=model_options, max_restarts=1).train([1])
    assert ensemble.failed_members() == [0]
    assert len({id(model) for model in built}) == 2


def test_weights_that_are_never_finite_are_an_error(trainer):
    nan = trainer(model_options={"factor": lambda n: torch.tensor([[float("nan")]])})
    with pytest.raises(TrainingError, match="Training failed 3 times from different seeds: a loss or a weight was not"):
        nan.train([1])


@pytest.mark.parametrize("options", [{"max_restarts": 0}, {"health_interventions": False}])
def test_without_restarts_weights_that_are_not_finite_are_an_error_of_one_training(trainer, options):
    nan = trainer(model_options={"factor": lambda n: torch.tensor([[float("nan")]])}, **options)
    with pytest.raises(TrainingError, match="Training failed: a loss or a weight was not"):
        nan.train([1])


def test_tied_scores_are_a_reason_for_a_restart(trainer):
    tied = trainer(find_tied_members=lambda model: [s for s, seed in enumerate(model.generators.seeds) if seed == 1])
    ensemble = tied.train([1])
    assert ensemble.seeds != (1,) and ensemble.stages[-1].symptoms == {}
    assert [event.symptom for event in ensemble.stages[-1].events] == [TIED_SCORES.description]


def test_validation_loss_is_used_in_the_last_stage(trainer):
    calls = []

    def validation_loss(model):
        calls.append(model.b.item())
        return torch.ones(1)

    trainer(validation_loss=validation_loss).train([1])
    assert len(calls) == 10 and calls[0] != 0, "in each step of the last stage, which trains b"


def test_training_starts_from_given_weights(trainer):
    weights = {"a": torch.full((1, 1), 5.0), "b": torch.full((1, 1), 7.0)}
    ensemble = trainer(steps=(0, 0)).train([1], weights)
    assert ensemble.model.a.item() == 5 and ensemble.model.b.item() == 7


def test_weights_of_other_shapes_are_refused(trainer):
    weights = {"a": torch.zeros(2, 1), "b": torch.zeros(1, 1)}
    with pytest.raises(InvalidInputError, match="1 of 2 tensors differ, such as 'a'"):
        trainer().train([1], weights)


def test_only_the_steps_run_in_the_compute_context(trainer):
    inside, seen = [], []

    @contextmanager
    def context(model):
        inside.append(True)
        yield
        inside.clear()

    def finalize(model):
        seen.append(bool(inside))

    trainer(finalize=finalize, compute_context=context).train([1])
    assert seen == [False] and not inside


def test_validation_rows_are_disjoint_from_the_training_rows_and_in_order():
    train, validation = split_validation(100, 0.2, np.random.default_rng(0))
    assert sorted([*train, *validation]) == [*range(100)] and len(validation) == 20
    assert [*train] == sorted(train) and [*validation] == sorted(validation)


def test_at_most_4096_rows_and_at_least_one_are_held_out():
    rng = np.random.default_rng(0)
    assert len(split_validation(50_000, 0.5, rng)[1]) == 4096
    assert [len(part) for part in split_validation(3, 0.01, rng)] == [2, 1]
    assert [len(part) for part in split_validation(1, 0.5, rng)] == [1, 1]


@pytest.mark.parametrize(("n_candidates", "n_validation"), [(30, 20), (7, 7), (0, 20)])
def test_validation_rows_are_candidates_if_there_are_any(n_candidates, n_validation):
    candidates = np.arange(100) < n_candidates
    train, validation = split_validation(100, 0.2, np.random.default_rng(0), candidates)
    assert sorted([*train, *validation]) == [*range(100)] and len(validation) == n_validation
    assert candidates[validation].all() or not n_candidates
