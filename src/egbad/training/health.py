"""What can go wrong in training, and what was done about it: named in one sentence, kept in the model file."""

from dataclasses import asdict, dataclass
from typing import Any

SLOWER = 0.5  # what the learning rate of a sick player is multiplied by
WORSE = 0.05  # by how much rows held out of training are known worse at the end before it is told
TRIES = 3  # how often one symptom of one member is treated


@dataclass(frozen=True)
class Symptom:
    """Something that may be wrong with a member.

    Attributes
    ----------
    words : str
        What is wrong: a clause without a full stop.
    advice : str
        What a user can do if it stays so: a sentence.
    slower : tuple of str
        The turns whose learning rate is halved; empty for all.
    back : bool
        Whether the member is also taken back to where it was last well.
    restart : bool
        Whether a member that ends so is worth nothing, and is trained anew from another seed.
    """

    words: str
    advice: str
    slower: tuple[str, ...] = ()
    back: bool = False
    restart: bool = False


BROKEN = Symptom(
    "a loss or a weight was not a finite number",
    "Lower learning_rate, or fit with another random_state.",
    back=True,
    restart=True,
)
TIED = Symptom(
    "rows that differ have the same score",
    "Fit with another random_state, or more steps.",
    restart=True,
)


@dataclass(frozen=True)
class Event:
    """What was seen of a member after `step` steps, and what was done."""

    step: int
    member: int
    words: str
    done: str

    def sentence(self, members: int) -> str:
        """In words a user can read.

        >>> Event(40, 1, "the generator gave one answer", "its learning rate was halved").sentence(3)
        'Step 40: the generator gave one answer (member 1 of 3); its learning rate was halved.'
        """
        who = "" if members == 1 else f" (member {self.member} of {members})"
        done = f"; {self.done}" if self.done else ""
        return f"Step {self.step:,}: {self.words}{who}{done}."

    def plain(self) -> dict[str, Any]:
        """JSON-able; `Event(**plain)` is the same again."""
        return asdict(self)


def treatment(symptom: Symptom, back_to: int | None) -> str:
    """What is done about a symptom, in words; `back_to` is the step that the member is taken back to."""
    whose = " and ".join(symptom.slower)
    rate = f"the learning rate of {whose} was halved" if whose else "its learning rate was halved"
    return rate if back_to is None else f"it was taken back to step {back_to:,} and {rate}"
