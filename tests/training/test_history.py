"""Histories of stages, members and processes, joined."""

import numpy as np
import torch

from egbad.training.health import Event, Symptom
from egbad.training.history import (
    History,
    combine_histories,
    final_symptoms,
    health_messages,
    loss_curves,
    replace_members,
)

ODD, USELESS = Symptom("it is odd", "Do something."), Symptom("it is useless", "Do more.", restart=True)


def history(players=("D", "G"), steps=(5, 10), members=2, value=1.0, **fields):
    losses = [torch.full((len(players), members), value + i) for i in range(len(steps))]
    return History(tuple(players), [*steps], losses, **fields)


def test_losses_of_players_that_are_inactive_in_a_stage_are_nan():
    curves = loss_curves([history(), history(players=("E",), steps=(3,), value=7.0)], 2)
    assert curves["step"].tolist() == [5, 10, 13]
    assert curves["D"][:, 0].tolist()[:2] == [1, 2] and np.isnan(curves["D"][2]).all()
    assert np.isnan(curves["E"][:2]).all() and curves["E"][2].tolist() == [7, 7]


def test_stages_without_records_have_no_curves():
    assert loss_curves([History(("D",))], 1) == {}


def test_final_symptoms_are_those_of_the_last_stage_and_useless_members_of_earlier_ones():
    stages = [history(symptoms={ODD: [0], USELESS: [1]}), history(symptoms={ODD: [1], USELESS: [0]})]
    assert final_symptoms(stages) == {USELESS: [0, 1], ODD: [1]}


def test_messages_count_steps_from_the_first_stage():
    stages = [
        history(events=[Event(5, 0, "it is odd", "it was slowed")]),
        history(events=[Event(5, 1, "it is odd", "")], symptoms={ODD: [1]}),
    ]
    events, symptoms = health_messages(stages, 2)
    assert events == ["Step 5: it is odd (member 0 of 2); it was slowed.", "Step 15: it is odd (member 1 of 2)."]
    assert symptoms == ["At the end it is odd (members 1 of 2). Do something."]


def test_histories_of_members_trained_in_several_processes_are_combined():
    first = [history(members=2, value=1.0, symptoms={ODD: [1]})]
    second = [history(members=1, value=5.0, steps=(5,), events=[Event(5, 0, "it is odd", "")])]
    (combined,) = combine_histories([([0, 2], first), ([1], second)], 3)
    assert combined.losses[0][0].tolist() == [1, 5, 1]
    assert combined.losses[1][0, [0, 2]].tolist() == [2, 2] and combined.losses[1][0, 1].isnan()
    assert combined.symptoms == {ODD: [2]}
    assert [event.member for event in combined.events] == [1]


def test_retrained_members_replace_their_losses_and_symptoms_and_an_event_says_so():
    stages = [history(members=3, symptoms={USELESS: [1], ODD: [0]})]
    replace_members(stages, [history(members=1, value=9.0, symptoms={ODD: [0]})], [1])
    (stage,) = stages
    assert stage.losses[0][0].tolist() == [1, 9, 1]
    assert stage.symptoms == {ODD: [0, 1]}
    assert [e.describe(3) for e in stage.events] == [
        "Step 10: it is useless (member 1 of 3); it was trained again from another seed."
    ]


def test_a_history_continues_from_a_saved_state():
    whole = history(events=[Event(5, 0, "it is odd", "")])
    restored = History(("D", "G"))
    restored.load_state_dict(whole.state_dict(), torch.device("cpu"))
    assert restored.steps == whole.steps and restored.events == whole.events
    assert torch.equal(torch.stack(restored.losses), torch.stack(whole.losses))
