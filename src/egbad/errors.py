"""Exceptions and warnings of the library.

Every message says what must hold, what was found and what to do. The command line prints an `EgbadError` on stderr and
exits with status 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from importlib.util import find_spec


class EgbadError(Exception):
    """Base class of errors that the user can fix. The message is one or two sentences."""


class InvalidInputError(EgbadError, ValueError):
    """Data or a parameter with an invalid value."""


class InvalidTypeError(EgbadError, TypeError):
    """Data of a type that no detector accepts, such as a sparse matrix."""


class UnreadableFileError(InvalidInputError):
    """A file that is missing, damaged or of another format."""


class DownloadError(EgbadError, OSError):
    """A public data set that could not be downloaded completely."""


class StoppedError(EgbadError):
    """An interruption by the user. The work done so far is kept."""


class TrainingError(EgbadError, RuntimeError):
    """Training that produced no usable weights."""


class MissingExtraError(EgbadError, ImportError):
    """An optional package that is not installed.

    Parameters
    ----------
    feature : str
        What needs the package, as the subject of a sentence.
    extra : str
        Name of the extra of egbad that installs it.
    packages : sequence of str
        The missing packages.

    Examples
    --------
    >>> print(MissingExtraError("Export to ONNX", "onnx", ["onnx"]))
    Export to ONNX needs onnx, which is not installed. Install it with: pip install 'egbad[onnx]'
    """

    def __init__(self, feature: str, extra: str, packages: Iterable[str]) -> None:
        super().__init__(
            f"{feature} needs {' and '.join(packages)}, which is not installed. "
            f"Install it with: pip install 'egbad[{extra}]'"
        )


class CalibrationWarning(UserWarning):
    """Too few calibration rows for the requested false alarm rate."""


class LearnedRowsWarning(UserWarning):
    """Rows to score that the detector was trained on."""


class HealthWarning(UserWarning):
    """A problem of training that leaves usable but poor weights."""


def require_extra(feature: str, extra: str, *packages: str) -> None:
    """Raise unless optional packages are installed.

    Parameters
    ----------
    feature : str
        What needs the packages, as the subject of a sentence.
    extra : str
        Name of the extra of egbad that installs them.
    *packages : str
        Names of top-level packages.

    Raises
    ------
    MissingExtraError
        If one of them is not installed.
    """
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise MissingExtraError(feature, extra, missing)


def require_package(feature: str, package: str) -> None:
    """Raise unless a package that no extra of egbad installs is there.

    Parameters
    ----------
    feature : str
        What needs the package, as the subject of a sentence.
    package : str

    Raises
    ------
    EgbadError
        If it is not installed.
    """
    if find_spec(package) is None:
        raise EgbadError(f"{feature} needs {package}, which is not installed. Install it with: pip install {package}")


def unknown(kind: str, name: str, known: Iterable[str]) -> InvalidInputError:
    """Return the error for a name that does not exist, with the most similar name that does.

    Parameters
    ----------
    kind : str
        Kind of thing that the name stands for.
    name : str
    known : iterable of str
        All valid names.

    Returns
    -------
    InvalidInputError

    Examples
    --------
    >>> print(unknown("data set", "mnsit", ["mnist", "kdd99"]))
    There is no data set 'mnsit'. Did you mean 'mnist'? Known: kdd99, mnist.
    """
    names = sorted(known)
    by_lower_case = {known_name.casefold(): known_name for known_name in names}
    similar = get_close_matches(name.casefold(), by_lower_case, n=1)
    hint = f" Did you mean '{by_lower_case[similar[0]]}'?" if similar else ""
    return InvalidInputError(f"There is no {kind} '{name}'.{hint} Known: {', '.join(names)}.")
