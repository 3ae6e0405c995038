"""The best weights of each member, and the end of training."""

import pytest
import torch

from egbad.training.early_stopping import BestWeights
from egbad.training.process_group import ProcessGroup


@pytest.fixture
def fit_with_losses(two_players, fit):
    """Train two members whose validation losses are given, and return weights, weights at each check, and events."""

    def fit_with_losses(losses, **options):
        model, weights = two_players(members=2), []

        def validation_loss():
            weights.append(model.a.detach().clone().flatten())
            return torch.tensor(losses[len(weights) - 1])

        best = BestWeights(validation_loss, interval=1, **options)
        history = fit(model, steps=len(losses), best_weights=best)
        return model.a.flatten(), weights, [event for event in history.events if "validation loss" in event.symptom]

    return fit_with_losses


def test_the_best_weights_of_each_member_are_kept(fit_with_losses):
    # Member 0 is best at the second check, member 1 at the last.
    a, weights, events = fit_with_losses([[3.0, 3.0], [1.0, 2.0], [2.0, 1.0]])
    assert a[0] == weights[1][0] and a[1] == weights[2][1]
    (event,) = events
    assert event.describe(2) == (
        "Step 2: the validation loss was lowest and later rose by 100% (member 0 of 2); the weights of this step were kept."
    )


def test_training_ends_when_no_member_improves(fit_with_losses):
    losses = [[2.0, 3.0], [1.0, 2.0], [3.0, 1.0], [2.0, 3.0], [9.0, 9.0], [0.0, 0.0]]
    a, weights, _ = fit_with_losses(losses, patience=2)
    assert len(weights) == 5, "member 0 is finished after four checks, member 1 after five"
    assert a[0] == weights[1][0] and a[1] == weights[2][1]


def test_training_ends_when_members_improve_too_little(fit_with_losses):
    # A tenth over two checks: member 0 gains 5 percent over its second and third, member 1 continues to its fifth.
    losses = [[1.0, 1.0], [0.97, 0.9], [0.95, 0.8], [0.5, 0.79], [0.4, 0.78], [0.3, 0.1]]
    a, weights, _ = fit_with_losses(losses, patience=2, min_gain=0.1)
    assert len(weights) == 5
    assert a[0] == weights[2][0] and a[1] == weights[4][1]


def test_later_weights_of_a_finished_member_are_ignored(fit_with_losses):
    a, weights, _ = fit_with_losses([[1.0, 5.0], [2.0, 4.0], [0.5, 3.0], [0.5, 2.0]], patience=1)
    assert len(weights) == 4 and a[0] == weights[0][0], "alone, it would not have had a third check"
    assert a[1] == weights[3][1]


def test_checks_are_a_fiftieth_of_the_run_apart_and_one_is_at_the_end():
    best = BestWeights(lambda: torch.zeros(1))
    assert [step for step in range(1, 205) if best.is_due(step, 204)] == [*range(4, 205, 4)]
    assert BestWeights(lambda: torch.zeros(1), interval=7).is_due(20, 20)


def test_a_saved_state_is_restored(two_players):
    losses = iter([torch.tensor([2.0, 1.0]), torch.tensor([1.0, 3.0])])
    model = two_players(members=2)
    best = BestWeights(lambda: next(losses), patience=1)
    for step, value in ((1, 0.1), (2, 0.2)):
        with torch.no_grad():
            model.a.fill_(value)
        best.update(model, step)
    restored = BestWeights(lambda: torch.zeros(2), patience=1)
    restored.load_state_dict(best.state_dict(), torch.device("cpu"))
    assert restored.best_step == best.best_step == [2, 1]
    assert restored.events() == best.events()
    assert torch.equal(restored.weights["a"], torch.tensor([[0.2], [0.1]]))


def test_the_losses_of_the_first_process_decide(two_players, monkeypatch):
    monkeypatch.setattr(ProcessGroup, "broadcast", lambda self, tensor: torch.tensor([5.0]))
    best = BestWeights(lambda: torch.tensor([1.0]), process_group=ProcessGroup(1, 2))
    best.update(two_players(), 1)
    assert best.state_dict()["last_loss"].tolist() == [5.0]
