"""Exceptions and warnings of the library.

Every message says what must hold, what was found and what to do. The command line prints an `EgbadError` on stderr and
exits with status 2.
"""

import inspect
import re
import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from importlib.util import find_spec
from numbers import Integral
from types import FrameType
from typing import Any

_MAX_VALUE, _MAX_LINE = 80, 1000  # characters of a value, and of a line of a message
# Control characters, separators of lines, and marks that reverse the direction of text. They come with data and file
# names, and could change what a terminal shows.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def escape_controls(text: str) -> str:
    r"""Replace characters that could control a terminal by the escape sequences of JSON.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> escape_controls("\x1b[2Jname\n")
    '\\u001b[2Jname\\u000a'
    """
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def shorten(text: str, length: int = _MAX_VALUE) -> str:
    """Escape the control characters of a text, and leave out its middle if it is long.

    Parameters
    ----------
    text : str
    length : int
        Characters of the result.

    Returns
    -------
    str

    Examples
    --------
    >>> shorten("a" * 1000, 40)
    'aaaaaaaaaa ... (1,000 characters) ... aa'
    """
    text = escape_controls(text)
    if len(text) <= length:
        return text
    middle = f" ... ({len(text):,} characters) ... "
    start = max(1, (length - len(middle)) * 5 // 6)
    return text[:start] + middle + text[len(text) - max(1, length - len(middle) - start) :]


def tidy_message(text: str) -> str:
    """Make a message safe to print: shorten long lines and escape control characters other than line breaks.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    return "\n".join(shorten(line, _MAX_LINE) for line in text.split("\n"))


class EgbadError(Exception):
    """Base class of errors that the user can fix. The message is one or two sentences."""

    def __init__(self, message: str = "") -> None:
        super().__init__(tidy_message(message))


class InvalidInputError(EgbadError, ValueError):
    """Data or a parameter with an invalid value."""


class InvalidTypeError(EgbadError, TypeError):
    """Data of a type that no detector accepts, such as a sparse matrix."""


class UnreadableFileError(InvalidInputError):
    """A file that is missing, damaged or of another format."""


class InvalidEntryError(InvalidInputError):
    """An entry of a file with an invalid value.

    Parameters
    ----------
    entry : str
        Name of the entry, such as "learned.rows".
    problem : str
        Rest of the sentence, without a full stop: what must hold and what was found.

    Examples
    --------
    >>> print(InvalidEntryError("learned.rows", "must be finite, got nan at (0, 3)"))
    'learned.rows' must be finite, got nan at (0, 3).
    """

    def __init__(self, entry: str, problem: str) -> None:
        super().__init__(f"'{shorten(entry)}' {problem}.")
        self.entry, self.problem = entry, problem

    def __reduce__(self) -> tuple[type["InvalidEntryError"], tuple[str, str]]:
        """Pickle by entry and problem, of which the message is made."""
        return type(self), (self.entry, self.problem)

    def within(self, prefix: str) -> "InvalidEntryError":
        """Return the same error of an entry whose name begins with a prefix."""
        return InvalidEntryError(prefix + self.entry, self.problem)


class EmptyFileError(InvalidInputError):
    """A table without rows."""


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
    """A threshold that may not keep the requested false alarm rate."""


class LearnedRowsWarning(UserWarning):
    """Rows to score that the detector was trained on."""


class ColumnsWarning(UserWarning):
    """Columns that a detector does not use, or that are matched by name because their order differs."""


class DataQualityWarning(UserWarning):
    """Columns of training rows that make a detector useless, such as ids."""


class HealthWarning(UserWarning):
    """A problem of training that leaves usable but poor weights."""


WARNINGS = {
    category.__name__: category
    for category in (CalibrationWarning, LearnedRowsWarning, ColumnsWarning, DataQualityWarning, HealthWarning)
}


def enable_own_warnings() -> None:
    """Enable every warning of egbad; call it inside of `warnings.catch_warnings`."""
    for category in WARNINGS.values():
        warnings.simplefilter("always", category)
    warnings.filterwarnings("always", category=UserWarning, module=r"egbad\.")


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn, with the line of the user's code that called this package.

    Parameters
    ----------
    message : str
    category : type of Warning
    """
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_back is not None and _is_own(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_own(frame: FrameType) -> bool:
    """Return True for a frame of this package."""
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "egbad"


def check_count(name: str, value: Any, least: int = 1) -> int:
    """Return a whole number after a check.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : object
    least : int, default=1
        Smallest valid value.

    Returns
    -------
    int

    Raises
    ------
    InvalidInputError
        If it is no whole number, or too small.

    Examples
    --------
    >>> check_count("bins", 20)
    20
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InvalidInputError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    return int(value)


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
    name, names = shorten(name), sorted(map(shorten, known))
    by_lower_case = {known_name.casefold(): known_name for known_name in names}
    similar = get_close_matches(name.casefold(), by_lower_case, n=1)
    hint = f" Did you mean '{by_lower_case[similar[0]]}'?" if similar else ""
    return InvalidInputError(f"There is no {kind} '{shorten(name)}'.{hint} Known: {', '.join(names)}.")
