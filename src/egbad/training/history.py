"""What training leaves beside weights: histories of its stages, as curves, as sentences, and in checkpoints."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from egbad import model_file
from egbad.errors import InvalidInputError
from egbad.training.checkpoints import Checkpoints
from egbad.training.early_stopping import State
from egbad.training.health import Event, Symptom

Curves = dict[str, NDArray[Any]]


@dataclass
class History:
    """What happened: a record about every half percent of the run."""

    names: tuple[str, ...]
    steps: list[int] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)  # mean since the last record, (turns, K)
    events: list[Event] = field(default_factory=list)  # what was seen on the way, and what was done
    symptoms: dict[Symptom, list[int]] = field(default_factory=dict)  # -> members that show it at the end

    def loss_curves(self) -> dict[str, Tensor]:
        """Loss by turn -> (records, K)."""
        if not self.losses:
            return {}
        return dict(zip(self.names, torch.stack(self.losses, dim=1), strict=True))


class StageSaver:
    """The checkpoints of one stage of training, after `done` steps and the histories `parts` of those before it."""

    def __init__(self, checkpoints: Checkpoints, seed: int, done: int, parts: list[History]) -> None:
        self.checkpoints, self.seed, self.done, self.parts = checkpoints, seed, done, parts

    def found(self) -> State | None:
        """The state that a killed run left in this stage."""
        newest = self.checkpoints.newest
        if newest is None or len(newest.about["parts"]) != len(self.parts):
            return None  # it was left by an earlier stage
        return {
            name: torch.from_numpy(array)
            for name, array in model_file.with_prefix_removed("state.", newest.arrays).items()
        }

    def due(self) -> bool:
        """Whether it is time to save."""
        return self.checkpoints.due()

    def save(self, state: State) -> None:
        """Write a checkpoint."""
        parts = [
            {"names": p.names, "steps": p.steps, "events": [event.plain() for event in p.events]} for p in self.parts
        ]
        arrays = {f"state.{name}": value.cpu().numpy() for name, value in state.items()}
        arrays |= {f"part.{i}": torch.stack(p.losses).cpu().numpy() for i, p in enumerate(self.parts) if p.losses}
        self.checkpoints.save(self.done + int(state["step"]), {"seed": self.seed, "parts": parts}, arrays)


def completed_stages(checkpoints: Checkpoints | None) -> list[History]:
    """The histories of the stages that a killed run had behind it."""
    if checkpoints is None or checkpoints.newest is None:
        return []
    arrays = checkpoints.newest.arrays
    return [
        History(
            tuple(part["names"]),
            part["steps"],
            [*torch.from_numpy(arrays[f"part.{i}"])] if part["steps"] else [],
            [Event(**event) for event in part["events"]],
        )
        for i, part in enumerate(checkpoints.newest.about["parts"])
    ]


def loss_curves(parts: Iterable[History], members: int) -> Curves:
    """The stages one after the other: "step" (r,) and the loss of each player (r, members).

    Who doesn't play in a stage has no number there.
    """
    whole: Curves = {}
    for part in parts:
        own = {name: curve.cpu().numpy() for name, curve in part.loss_curves().items()}
        if not own:
            continue
        before, now = len(whole.get("step", ())), len(part.steps)
        last = whole["step"][-1] if before else 0
        missing = {n: np.full((rows, members), np.nan, dtype=np.float32) for n, rows in (("old", before), ("new", now))}
        names = dict.fromkeys([*whole, *own])
        joined = {
            name: np.concatenate([whole.get(name, missing["old"]), own.get(name, missing["new"])])
            for name in names
            if name != "step"
        }
        steps = np.array(part.steps, dtype=np.int64) + last
        whole = {"step": np.concatenate([whole.get("step", steps[:0]), steps])} | joined
    return whole


def final_symptoms(parts: Sequence[History]) -> dict[Symptom, list[int]]:
    """What the last stage ended with -> the members that show it; of earlier stages what makes a member worthless."""
    found: dict[Symptom, list[int]] = {}
    for part in parts:
        for symptom, ill in part.symptoms.items():
            if part is parts[-1] or symptom.restart:
                found[symptom] = sorted({*found.get(symptom, ()), *ill})
    return found


def health_messages(parts: Sequence[History], members: int) -> tuple[list[str], list[str]]:
    """What was done on the way, and what is wrong at the end: a sentence each."""
    done, before = list[str](), 0
    for part in parts:
        done += [replace(event, step=event.step + before).sentence(members) for event in part.events]
        before += part.steps[-1] if part.steps else 0
    left = []
    for symptom, ill in final_symptoms(parts).items():
        who = "" if members == 1 else f" (members {', '.join(map(str, ill))} of {members})"
        left.append(f"At the end {symptom.words}{who}. {symptom.advice}")
    return done, left


def combine_members(found: Sequence[tuple[Sequence[int], Sequence[History]]], members: int) -> list[History]:
    """The histories of stages of all members, of those that some `members` each have."""
    whole = []
    for stages in zip(*(parts for _, parts in found), strict=True):
        longest = max(stages, key=lambda part: len(part.steps))
        nothing = [torch.full((len(longest.names), members), torch.nan) for _ in longest.steps]
        whole.append(History(longest.names, longest.steps, nothing))
    for own, parts in found:
        merge_histories(whole, parts, own)
    return whole


def merge_histories(parts: Sequence[History], again: Sequence[History], members: Sequence[int]) -> None:
    """Put what came of training `members` again into the histories of all, in place."""
    wrong = final_symptoms(parts)
    for part, new in zip(parts, again, strict=True):
        for i, losses in enumerate(part.losses):  # one of the two may have ended early
            losses[:, list(members)] = new.losses[i] if i < len(new.losses) else torch.nan
        end = part.steps[-1] if part.steps else 0
        part.events += [replace(event, member=members[event.member]) for event in new.events]
        kept = {s: [m for m in ill if m not in members] for s, ill in part.symptoms.items()}
        for symptom, ill in new.symptoms.items():
            kept[symptom] = sorted([*kept.get(symptom, ()), *(members[m] for m in ill)])
        part.symptoms = {symptom: ill for symptom, ill in kept.items() if ill}
        if part is parts[-1]:
            part.events += [
                Event(end, member, symptom.words, "it was trained anew from another seed")
                for symptom, ill in wrong.items()
                for member in ill
                if symptom.restart and member in members
            ]


def load_initial_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Begin with the weights of another model of the same shape."""
    own = model.state_dict()
    odd = [name for name in own.keys() | weights.keys() if name not in own or name not in weights]
    odd += [name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape]
    if odd:
        raise InvalidInputError(
            "start must have networks of the same shape: as many members, the same settings, and data that is encoded to as "
            f"many columns. They differ in {len(odd)} of {len(own)} tensors, '{min(odd)}' among them."
        )
    model.load_state_dict(weights)
