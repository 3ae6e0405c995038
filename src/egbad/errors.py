"""What a user can be told: one vocabulary for the Python API, the command line and the service.

Every message says what must hold, what came and what to do. The command line prints it on stderr and exits with 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class EgbadError(Exception):
    """What a user can mend. Its text is one sentence or two, meant to be read."""


class InvalidInputError(EgbadError, ValueError):
    """Data or an option that can't be used as it is."""


class InvalidTypeError(EgbadError, TypeError):
    """Data of a kind that no detector reads, a sparse matrix for instance."""


class UnreadableFileError(InvalidInputError):
    """A file that is missing, damaged, or not what its name says."""


class DownloadError(EgbadError, OSError):
    """A public data set that could not be fetched whole."""


class StoppedError(EgbadError):
    """The user stopped long work that keeps what it has done."""


class TrainingError(EgbadError, RuntimeError):
    """Training that produced no usable weights."""


class MissingExtraError(EgbadError, ImportError):
    """An optional package that this feature needs."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs optional packages. Install them with: pip install 'egbad[{extra}]'.")


class CalibrationWarning(UserWarning):
    """Too few calibration rows for the false-alarm rate that was asked for."""


class HealthWarning(UserWarning):
    """Training went wrong in a way that leaves usable but poor weights."""


def unknown(kind: str, name: str, known: Iterable[str]) -> InvalidInputError:
    """The error for a name that is not in `known`, with the nearest known one.

    >>> str(unknown("data set", "mnsit", ["mnist", "kdd99"]))
    "There is no data set 'mnsit'. Did you mean 'mnist'? Known: kdd99, mnist."
    """
    options = sorted(known)
    folded = {option.casefold(): option for option in options}
    near = get_close_matches(name.casefold(), folded, n=1)
    hint = f" Did you mean '{folded[near[0]]}'?" if near else ""
    return InvalidInputError(f"There is no {kind} '{name}'.{hint} Known: {', '.join(options)}.")
