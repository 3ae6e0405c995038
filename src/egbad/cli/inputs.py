"""What a user types -> data, labels and settings, checked."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egbad.errors import InvalidInputError, UnreadableFileError, unknown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from egbad.data import BatchSizes, ColumnTypes, Data, Stream

_LABELS_NAMED = 20  # different labels that an error lists


@dataclass(frozen=True)
class Source:
    """What a command reads: a path, or the name of a public data set where there is no such path.

    Attributes
    ----------
    given : str
        As typed.
    label_column, image_size, data_dir
        As typed.
    kinds : optional
        What columns must hold, as `egbad.data` takes it.
    like : Scorer, optional
        What is read is for it: columns hold what its columns do, and images are brought to the size of its images, or keep
        their own where it takes any, unless a size was asked for.
    skip_unreadable : bool
        True to skip images that cannot be read.
    patch : int, optional
        Pixels of a side of the patches that are learned, as `egbad.data` takes it.
    batch_size : int, optional
        Rows or images of a batch.
    """

    given: str
    label_column: str | None = None
    image_size: str | None = None
    data_dir: Path | None = None
    kinds: "ColumnTypes | None" = None
    like: Any = None
    skip_unreadable: bool = False
    patch: int | None = None
    batch_size: int | None = None

    def read(self) -> "Data":
        """All of it.

        Raises
        ------
        InvalidInputError
            When there is neither, with the nearest data set's name, or what was found can't be used.
        """
        from egbad import data

        return data.read(self.given, **self._options()) if self._is_path() else self._public_data()

    def stream(self) -> "Stream":
        """The same in batches, read as they are asked for."""
        from egbad import data

        if self._is_path():
            return data.open_stream(self.given, **self._options())
        return data.as_stream(self._public_data(), self._batch_sizes().rows)

    def identity(self) -> list[tuple[str, int, int]]:
        """Of every file that is read its path, size and time of change: if they are the same, so is what is read."""
        from egbad.data.readers import list_files

        files = list_files(self.given) if self._is_path() else []
        return [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]

    def _is_path(self) -> bool:
        """Whether it is a path, or a pattern of paths, and not the name of a data set."""
        return Path(self.given).exists() or any(sign in self.given for sign in "*?[")

    def _batch_sizes(self) -> "BatchSizes":
        from egbad.data import BatchSizes

        return BatchSizes() if self.batch_size is None else BatchSizes(rows=self.batch_size, images=self.batch_size)

    def _options(self) -> dict[str, Any]:
        size, colour, patch, kinds = parse_size(self.image_size), None, self.patch, self.kinds
        if self.like is not None:
            kinds = self.like.required_column_types
            if self.like.kind_ == "images":
                *channels, height, width = self.like.shape_
                patch, colour = self.like.min_image_side, bool(channels)
                size = size or (None if patch else (height, width))
        return {
            "label_column": self.label_column,
            "image_size": size,
            "colour": colour,
            "skip_unreadable": self.skip_unreadable,
            "patch_size": patch,
            "column_types": kinds,
            "batch_sizes": self._batch_sizes(),
        }

    def _public_data(self) -> "Data":
        from egbad import data, datasets

        if self.given not in datasets.names():
            near = get_close_matches(self.given, datasets.names(), n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise InvalidInputError(
                f"There is no file, folder or data set '{self.given}'.{hint} Check the path; 'egbad data list' names the "
                "data sets."
            )
        for option, value in (("--label-column", self.label_column), ("--image-size", self.image_size)):
            if value is not None:
                raise InvalidInputError(
                    f"The data set '{self.given}' comes as it is, got {option} {value}. Leave it out."
                )
        found = datasets.load(self.given, self.data_dir)
        return data.Data(found.x, found.columns, labels=found.labels)


def read_schema(path: Path | None) -> dict[str, str] | None:
    """What columns hold, by name, from a file of JSON.

    Raises
    ------
    UnreadableFileError
        When there is no such file, or it isn't one object of text by name.
    InvalidInputError
        For a kind that doesn't exist.
    """
    if path is None:
        return None
    from egbad.data.column_types import check_column_types

    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFileError(f"'{path}' can't be read as JSON: {error}. Check the file.") from error
    if not isinstance(schema, dict) or not all(isinstance(kind, str) for kind in schema.values()):
        raise UnreadableFileError(f"'{path}' must hold one object, a kind for each name of a column.")
    check_column_types(schema.values())
    return schema


def check_names(schema: dict[str, str] | None, data: "Data") -> None:
    """Refuse a schema that names columns which aren't there."""
    for name in schema or ():
        if name not in (data.columns or ()):
            raise unknown("column", name, data.columns or ())


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Height and width in pixels.

    >>> parse_size("28x32")
    (28, 32)
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)[xX](\d+)", text)
    if match is None or 0 in (size := (int(match[1]), int(match[2]))):
        raise InvalidInputError(f"The image size must be height x width in pixels, as in 28x28, got '{text}'.")
    return size


# -- labels ------------------------------------------------------------------------------------------------------------


def normal_rows(labels: "NDArray[Any] | None", normal: str | None) -> "NDArray[np.bool_]":
    """Which rows are normal -> (n,): those labelled `normal`, or 0 where the labels are numbers and none was named.

    Raises
    ------
    InvalidInputError
        Without labels, with missing ones, for text labels without `normal`, or when no row has that label.
    """
    found = is_normal(labels, normal)
    if not found.any() and normal is not None and labels is not None:
        raise unknown("label", normal, names_of(labels))
    return found


def is_normal(labels: "NDArray[Any] | None", normal: str | None) -> "NDArray[np.bool_]":
    """The same for some of the labels: where none of these is normal others may be."""
    import numpy as np

    if labels is None:
        raise InvalidInputError("There must be labels, got none. Name the column that holds them with --label-column.")
    missing = np.array(
        [label is None or (isinstance(label, float) and isnan(label)) for label in labels.tolist()], dtype=np.bool_
    )
    if missing.any():
        raise InvalidInputError(f"Every row must have a label, row {int(missing.argmax())} has none. Fill or drop it.")
    numbers = labels.dtype.kind in "biuf"
    if normal is None:
        if not numbers:
            known = ", ".join(names_of(labels))
            raise InvalidInputError(f"Labels that are text need --normal, the label of normal rows. Found: {known}.")
        return np.asarray(labels == 0)
    wanted = _as_number(normal) if numbers else normal
    return np.asarray(labels == wanted) if numbers else np.array([_text(label) == wanted for label in labels])


def names_of(labels: "NDArray[Any] | None") -> list[str]:
    """Labels as text, some of them where they are many."""
    return [] if labels is None else sorted({_text(label) for label in labels.tolist()})[:_LABELS_NAMED]


def _text(label: Any) -> str:
    return label.decode(errors="replace") if isinstance(label, bytes) else str(label)


def _as_number(text: str) -> float | None:
    words = {"true": 1.0, "false": 0.0}
    try:
        return words[text.lower()] if text.lower() in words else float(text)
    except ValueError:
        return None


# -- settings ----------------------------------------------------------------------------------------------------------


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Settings as typed; a value that is JSON is what JSON says, anything else is text.

    >>> parse_settings(["steps=50", "recipe=paper", "distinct=false"])
    {'steps': 50, 'recipe': 'paper', 'distinct': False}
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise InvalidInputError(f"A setting must look like name=value, got '{pair}'.")
        try:
            settings[name.strip()] = json.loads(text)
        except ValueError:
            settings[name.strip()] = text
    return settings
