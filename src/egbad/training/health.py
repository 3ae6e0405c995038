"""Symptoms of failed training, and the events that report them."""

import re
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from egbad.arrays import Array, distinct_rows

_MIN_PROBES = 20  # fewer different rows show nothing about ties
_PROBE_NOISE = 0.1  # standard deviation in encoded units
_TIED_SHARE = 0.1  # of the probes, from which on shared scores are a symptom
# A message of `Event.describe`, or of `egbad.training.history.health_messages` about a symptom at the end.
_MESSAGE = re.compile(
    r"(?:Step (?P<step>[\d,]+): |At the end )(?P<symptom>.*?)(?: \(members? [\d, ]+ of [\d,]+\))?(?:; .*|\. .*)?\.",
    re.DOTALL,
)


@dataclass(frozen=True)
class Symptom:
    """A way in which the training of a member can fail.

    Parameters
    ----------
    description : str
        What is wrong, as a clause without a full stop.
    advice : str
        What a user can do if the symptom is still there at the end, as a sentence.
    slowed_players : tuple of str
        Names of the players whose learning rate is halved; empty for all players.
    rollback : bool
        True if the member also goes back to its last good state.
    restart : bool
        True if a member that ends with this symptom is useless and must be trained again from another seed.
    """

    description: str
    advice: str
    slowed_players: tuple[str, ...] = ()
    rollback: bool = False
    restart: bool = False


NON_FINITE = Symptom(
    "a loss or a weight was not a finite number",
    "Lower learning_rate, or fit with another random_state.",
    rollback=True,
    restart=True,
)
TIED_SCORES = Symptom(
    "rows that differ have the same score",
    "Fit with another random_state, or more steps.",
    restart=True,
)


@dataclass(frozen=True)
class Event:
    """A symptom that a member showed during training, and the action taken.

    Parameters
    ----------
    step : int
        Number of steps after which the symptom was seen.
    member : int
    symptom : str
        Description of the symptom, as a clause.
    action : str
        The action, as a clause; empty if there was none.
    """

    step: int
    member: int
    symptom: str
    action: str

    def describe(self, n_members: int) -> str:
        """Describe the event in one sentence.

        Parameters
        ----------
        n_members : int
            Size of the ensemble. The sentence names the member only if there are several.

        Returns
        -------
        str

        Examples
        --------
        >>> Event(40, 1, "the generator has collapsed", "its learning rate was halved").describe(3)
        'Step 40: the generator has collapsed (member 1 of 3); its learning rate was halved.'
        """
        member = "" if n_members == 1 else f" (member {self.member} of {n_members})"
        action = f"; {self.action}" if self.action else ""
        return f"Step {self.step:,}: {self.symptom}{member}{action}."

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON-able dict; `Event(**fields)` restores the event."""
        return asdict(self)


def parse_message(message: str) -> tuple[int | None, str]:
    """Return the step and the symptom of a message about training, as `health_` of detectors holds them.

    Parameters
    ----------
    message : str
        A sentence of `Event.describe`, or one about a symptom that was left at the end.

    Returns
    -------
    step : int or None
        None for a symptom at the end.
    symptom : str
        A clause, without members and the action taken.

    Examples
    --------
    >>> parse_message("Step 1,040: the generator has collapsed (member 1 of 3); its learning rate was halved.")
    (1040, 'the generator has collapsed')
    >>> parse_message("At the end rows that differ have the same score. Fit with another random_state, or more steps.")
    (None, 'rows that differ have the same score')
    """
    found = _MESSAGE.fullmatch(message)
    if found is None:
        return None, message
    step = found["step"]
    return None if step is None else int(step.replace(",", "")), found["symptom"]


def describe_intervention(symptom: Symptom, rollback_step: int | None) -> str:
    """Describe what the health monitor did about a symptom.

    Parameters
    ----------
    symptom : Symptom
    rollback_step : int or None
        Step that the member was rolled back to, if it was.

    Returns
    -------
    str
        A clause.

    Examples
    --------
    >>> describe_intervention(NON_FINITE, 40)
    'it was rolled back to step 40 and its learning rate was halved'
    """
    players = " and ".join(symptom.slowed_players)
    slowed = f"the learning rate of {players} was halved" if players else "its learning rate was halved"
    return slowed if rollback_step is None else f"it was rolled back to step {rollback_step:,} and {slowed}"


def tie_probes(x: Array) -> Array | None:
    """Return rows near training rows, to look for tied scores.

    Training rows themselves will not do: a model that remembers them finds all of them equally normal.

    Parameters
    ----------
    x : ndarray of shape (n, ...)
        Encoded training rows or images.

    Returns
    -------
    ndarray of shape (n_distinct, ...) or None
        The distinct rows with noise added; None if there are too few.
    """
    distinct = x[distinct_rows(x)]
    if len(distinct) < _MIN_PROBES:
        return None
    noise = np.random.default_rng(0).normal(scale=_PROBE_NOISE, size=distinct.shape).astype(np.float32)
    return np.asarray(distinct + noise)


def tied_members(scores: Array) -> list[int]:
    """Return the members that give many different rows the same score.

    Parameters
    ----------
    scores : ndarray of shape (n_members, n_rows)
        Scores of different rows.

    Returns
    -------
    list of int

    Examples
    --------
    >>> tied_members(np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]))
    [1]
    """
    return [m for m, own in enumerate(scores) if len(np.unique(own)) < (1 - _TIED_SHARE) * len(own)]
