"""Training histories: loss curves, events and symptoms of the stages of a fit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from egbad.training.health import Event, Symptom
from egbad.training.state import StateDict, json_from_tensor, json_to_tensor

Curves = dict[str, NDArray[Any]]


@dataclass
class History:
    """History of one stage of training.

    Parameters
    ----------
    players : tuple of str
        Names of the players.
    steps : list of int
        Steps at which losses were recorded, about every half percent of the stage.
    losses : list of Tensor
        Mean losses since the last record, each of shape (n_players, K).
    events : list of Event
        Symptoms seen during the stage, and the actions taken.
    symptoms : dict of Symptom to list of int
        Symptoms at the end of the stage, with the members that show them.
    """

    players: tuple[str, ...]
    steps: list[int] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    symptoms: dict[Symptom, list[int]] = field(default_factory=dict)

    def loss_curves(self) -> dict[str, Tensor]:
        """Return the loss curve of each player, of shape (n_records, K)."""
        if not self.losses:
            return {}
        return dict(zip(self.players, torch.stack(self.losses, dim=1), strict=True))

    def state_dict(self) -> StateDict:
        """Return the records and events as tensors by name."""
        state: StateDict = {"steps": torch.tensor(self.steps, dtype=torch.int64)}
        state |= {"losses": torch.stack(self.losses)} if self.losses else {}
        return state | {"events": json_to_tensor([event.to_dict() for event in self.events])}

    def load_state_dict(self, state: StateDict, device: torch.device) -> None:
        """Restore a state written by `state_dict`.

        Parameters
        ----------
        state : dict of str to Tensor
        device : torch.device
            Device of the losses.
        """
        self.steps = state["steps"].tolist()
        self.losses = [*state["losses"].to(device)] if self.steps else []
        self.events = [Event(**event) for event in json_from_tensor(state["events"])]


def loss_curves(stages: Iterable[History], n_members: int) -> Curves:
    """Join the loss curves of consecutive stages.

    Parameters
    ----------
    stages : iterable of History
    n_members : int

    Returns
    -------
    dict of str to ndarray
        "step" of shape (n_records,) and the loss of each player of shape (n_records, n_members). Losses of players
        that are inactive in a stage are NaN.
    """
    joined: Curves = {}
    for stage in stages:
        own = {name: curve.cpu().numpy() for name, curve in stage.loss_curves().items()}
        if not own:
            continue
        steps = np.array(stage.steps, dtype=np.int64)
        if not joined:
            joined = {"step": steps} | own
            continue
        last_step = joined["step"][-1]
        missing_before = np.full((len(joined["step"]), n_members), np.nan, dtype=np.float32)
        missing_now = np.full((len(steps), n_members), np.nan, dtype=np.float32)
        names = [name for name in dict.fromkeys([*joined, *own]) if name != "step"]
        curves = {
            name: np.concatenate([joined.get(name, missing_before), own.get(name, missing_now)]) for name in names
        }
        joined = {"step": np.concatenate([joined["step"], steps + last_step])} | curves
    return joined


def final_symptoms(stages: Sequence[History]) -> dict[Symptom, list[int]]:
    """Collect the symptoms at the end of training.

    Parameters
    ----------
    stages : sequence of History

    Returns
    -------
    dict of Symptom to list of int
        Symptoms at the end of the last stage, and those at the end of earlier stages that make a member useless, with
        the members that show them.
    """
    symptoms: dict[Symptom, list[int]] = {}
    for stage in stages:
        for symptom, members in stage.symptoms.items():
            if stage is stages[-1] or symptom.restart:
                symptoms[symptom] = sorted({*symptoms.get(symptom, ()), *members})
    return symptoms


def health_messages(stages: Sequence[History], n_members: int) -> tuple[list[str], list[str]]:
    """Describe what went wrong in training.

    Parameters
    ----------
    stages : sequence of History
    n_members : int

    Returns
    -------
    event_messages : list of str
        One sentence for each event, with steps counted from the beginning of the first stage.
    symptom_messages : list of str
        One message for each symptom that is left at the end.
    """
    event_messages, first_step = list[str](), 0
    for stage in stages:
        event_messages += [replace(e, step=e.step + first_step).describe(n_members) for e in stage.events]
        first_step += stage.steps[-1] if stage.steps else 0
    symptom_messages = []
    for symptom, members in final_symptoms(stages).items():
        listed = "" if n_members == 1 else f" (members {', '.join(map(str, members))} of {n_members})"
        symptom_messages.append(f"At the end {symptom.description}{listed}. {symptom.advice}")
    return event_messages, symptom_messages


def combine_histories(parts: Sequence[tuple[Sequence[int], Sequence[History]]], n_members: int) -> list[History]:
    """Combine the histories of processes that trained different members.

    Parameters
    ----------
    parts : sequence of (members, stages)
        Members that each process trained, and their histories.
    n_members : int
        Number of members in total.

    Returns
    -------
    list of History
        The stages of the whole ensemble.
    """
    combined = []
    for same_stage in zip(*(stages for _, stages in parts), strict=True):
        longest = max(same_stage, key=lambda stage: len(stage.steps))
        missing = [torch.full((len(longest.players), n_members), torch.nan, dtype=torch.float32) for _ in longest.steps]
        combined.append(History(longest.players, longest.steps, missing))
    for members, stages in parts:
        replace_members(combined, stages, members)
    return combined


def replace_members(stages: Sequence[History], retrained: Sequence[History], members: Sequence[int]) -> None:
    """Replace the histories of some members by those of their second training, in place.

    Parameters
    ----------
    stages : sequence of History
        Histories of all members.
    retrained : sequence of History
        Histories of `members` alone.
    members : sequence of int
    """
    causes = final_symptoms(stages)
    for stage, new in zip(stages, retrained, strict=True):
        for i, losses in enumerate(stage.losses):  # early stopping may have ended one of the two sooner
            losses[:, list(members)] = new.losses[i] if i < len(new.losses) else torch.nan
        stage.events += [replace(event, member=members[event.member]) for event in new.events]
        symptoms = {s: [m for m in affected if m not in members] for s, affected in stage.symptoms.items()}
        for symptom, affected in new.symptoms.items():
            symptoms[symptom] = sorted([*symptoms.get(symptom, ()), *(members[m] for m in affected)])
        stage.symptoms = {symptom: affected for symptom, affected in symptoms.items() if affected}
    last = stages[-1]
    last_step = last.steps[-1] if last.steps else 0
    last.events += [
        Event(last_step, member, symptom.description, "it was trained again from another seed")
        for symptom, affected in causes.items()
        for member in affected
        if symptom.restart and member in members
    ]
