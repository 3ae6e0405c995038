"""Input of commands: data, labels and column types, read and checked."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad import data
from egbad.arrays import Array
from egbad.cli.column_options import ColumnOptions
from egbad.cli.output import note, note_all
from egbad.data import MIN_IMAGE_SIDE, BatchSizes, ColumnTypes, Data, Stream
from egbad.data.column_roles import ALL_COLUMNS, ColumnRoles, ColumnSelection
from egbad.data.column_selection import separate_roles
from egbad.data.column_types import ROLES, check_column_types
from egbad.data.csv_options import DEFAULT_CSV_OPTIONS, CsvOptions
from egbad.data.defect_folders import find_defect_folder
from egbad.data.readers import list_files
from egbad.errors import InvalidInputError, UnreadableFileError, shorten, unknown
from egbad.scoring.reading import read_options
from egbad.scoring.scorer import Scorer

_MAX_LISTED = 20  # different labels that an error lists


@dataclass(frozen=True)
class Source:
    """Input of a command: a path, or the name of a public data set if there is no such path.

    Attributes
    ----------
    given : str
        Path, pattern of paths or name. Of a folder laid out as MVTec AD, detectors learn train/good, and scorers score test.
    label_column : str, optional
        Column that holds the labels.
    image_size : str, optional
        Size that images are resized to, for example "28x28".
    data_dir : Path, optional
        Folder with copies of the public data sets.
    column_types : mapping of str to str, optional
        Types of columns by name, as `egbad.data` takes them.
    scorer : Scorer, optional
        Reads what this scorer needs: its column types, and images of its size unless it takes any or `image_size` is given.
    skip_unreadable : bool
        Skip images that cannot be read.
    patch_size : int, optional
        Side of the patches to learn from, in pixels, as `egbad.data` takes it.
    learners : sequence of Detector
        Detectors that will learn the data: images keep their sizes if one of them takes any size.
    whole : bool
        Read all images of a folder laid out as MVTec AD.
    lazy : bool
        Keep no pixels in memory of images that keep their sizes.
    batch_size : int, optional
        Rows or images of a batch.
    csv : CsvOptions
        Dialect of CSV files, as far as it is given.
    columns : ColumnSelection
        Roles of columns, and columns to keep, as far as they are given. What the scorer knows is added.
    with_labels : bool
        Read the label column that the scorer knows.
    """

    given: str
    label_column: str | None = None
    image_size: str | None = None
    data_dir: Path | None = None
    column_types: ColumnTypes | None = None
    scorer: Scorer | None = None
    skip_unreadable: bool = False
    patch_size: int | None = None
    learners: Sequence[Any] = ()
    whole: bool = False
    lazy: bool = False
    batch_size: int | None = None
    csv: CsvOptions = DEFAULT_CSV_OPTIONS
    columns: ColumnSelection = ALL_COLUMNS
    with_labels: bool = False

    @property
    def path(self) -> str:
        """Path or pattern of the files to read."""
        folder = find_defect_folder(Path(self.given))
        if folder is None or self.whole or (self.scorer is None and not self.learners):
            return self.given
        return str(folder.train if self.scorer is None else folder.test)

    def read(self) -> Data:
        """Read all rows or images.

        Raises
        ------
        InvalidInputError
            If there is no such file or data set, or its content cannot be used.
        """
        if not self._is_path():
            return self._public_data()
        self._note_layout()
        found = data.read(self.path, **self._options())
        note_all(found.notes)
        return found

    def stream(self) -> Stream:
        """Return the rows or images in batches that are read when they are asked for."""
        if self._is_path():
            self._note_layout()
            stream = data.open_stream(self.path, **self._options())
            note_all(stream.notes)
            return stream
        return data.as_stream(self._public_data(), self._batch_sizes().rows)

    def file_stamps(self) -> list[tuple[str, int, int]]:
        """Return path, size and modification time of every file, to tell if the input has changed."""
        files = list_files(self.path) if self._is_path() else []
        return [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]

    def _note_layout(self) -> None:
        """Say which images of a folder laid out as MVTec AD are read."""
        if self.path != self.given:
            note(f"'{self.given}' is laid out as MVTec AD. Reading '{self.path}'.")

    def _is_path(self) -> bool:
        """Return True for a path or a pattern of paths, False for the name of a data set."""
        return Path(self.given).exists() or any(sign in self.given for sign in "*?[")

    def _batch_sizes(self) -> BatchSizes:
        return BatchSizes() if self.batch_size is None else BatchSizes(rows=self.batch_size, images=self.batch_size)

    def _options(self) -> dict[str, Any]:
        size, patch, lazy = parse_size(self.image_size), self.patch_size, self.lazy
        readers = [learner for learner in self.learners if learner.any_size]
        small_side = min((learner.small_side for learner in readers), default=0) if patch is None else 0
        if readers:
            patch, lazy = patch or MIN_IMAGE_SIDE, lazy or any(learner.streams_images for learner in readers)
        options = {
            "label_column": self.label_column,
            "image_size": size,
            "colour": None,
            "skip_unreadable": self.skip_unreadable,
            "patch_size": patch,
            "enough_side": _enough_side(readers) if patch else None,
            "lazy": lazy and patch is not None,
            "small_side": small_side,
            "batch_sizes": self._batch_sizes(),
            "column_types": self.column_types,
            "csv": self.csv,
            "columns": self._selected_columns(),
        }
        return options if self.scorer is None else options | self._scorer_options(self.scorer)

    def _scorer_options(self, scorer: Scorer) -> dict[str, Any]:
        """Return the options that read what a scorer needs."""
        return read_options(
            scorer,
            csv=self.csv,
            columns=self.columns,
            image_size=parse_size(self.image_size),
            with_labels=self.with_labels,
        )

    def _selected_columns(self) -> ColumnSelection:
        """Return the columns to read: those that the scorer knows in their roles, unless they are given others."""
        selection: ColumnSelection = (
            self.columns if self.scorer is None else self._scorer_options(self.scorer)["columns"]
        )
        return selection

    def _public_data(self) -> Data:
        from egbad import datasets  # most commands read files and start sooner without it

        names = datasets.names()
        if self.given not in names:
            matches = get_close_matches(self.given, names, n=1)
            hint = f" Did you mean '{matches[0]}'?" if matches else ""
            raise InvalidInputError(
                f"There is no file, folder or data set '{self.given}'.{hint} Check the path; 'egbad data list' shows the "
                "data sets."
            )
        for option, value in (("--label-column", self.label_column), ("--image-size", self.image_size)):
            if value is not None:
                raise InvalidInputError(
                    f"{option} does not apply to the data set '{self.given}', got {value}. Omit it."
                )
        found = datasets.load(self.given, self.data_dir)
        return separate_roles(Data(found.x, found.columns, labels=found.labels), self._selected_columns())


def column_selection(options: ColumnOptions) -> ColumnSelection:
    """Return the selection of columns that options of the command line describe; the columns must exist."""
    roles = ColumnRoles(options.ids, options.dropped)
    required = (*options.ids, *options.dropped, *(options.kept or ()))
    return ColumnSelection(roles, kept=options.kept, required=required)


def training_source(
    given: str,
    label_column: str | None,
    image_size: str | None,
    data_dir: Path | None,
    column_types_file: Path | None,
    skip_unreadable: bool,
    tile_size: int | None,
    learner: Any = None,
) -> Source:
    """Return the source of data to learn from."""
    column_types = read_column_types(column_types_file)
    return Source(
        given,
        label_column,
        image_size,
        data_dir,
        column_types=column_types,
        skip_unreadable=skip_unreadable,
        patch_size=tile_size,
        learners=() if learner is None else (learner,),
    )


def _enough_side(readers: Sequence[Any]) -> int | None:
    """Return the side of a square with as many pixels as all readers of an image need, None if one needs all of them."""
    sides = [reader.enough_side for reader in readers]
    return None if None in sides else max(sides, default=None)


def read_column_types(path: Path | None) -> dict[str, str] | None:
    """Read the types of columns by name from a JSON file.

    Raises
    ------
    UnreadableFileError
        If the file does not exist or is not a JSON object of texts.
    InvalidInputError
        For a type that does not exist.
    """
    if path is None:
        return None
    try:
        types = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFileError(f"Cannot read '{path}' as JSON: {error}. Check the file.") from error
    if not isinstance(types, dict) or not all(isinstance(column_type, str) for column_type in types.values()):
        raise UnreadableFileError(f"'{path}' must hold one JSON object with a type for each column name.")
    check_column_types(column_type for column_type in types.values() if column_type not in ROLES)
    return types


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Parse a height and a width in pixels.

    >>> parse_size("28x32")
    (28, 32)
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)[xX](\d+)", text)
    if match is None or 0 in (size := (int(match[1]), int(match[2]))):
        raise InvalidInputError(f"The image size must be height x width in pixels, for example 28x28, got '{text}'.")
    return size


# -- labels ------------------------------------------------------------------------------------------------------------


def normal_mask(labels: Array | None, normal: str | None) -> NDArray[np.bool_]:
    """Return which rows are normal, and require that some are.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,) or None
    normal : str or None
        Label of normal rows. Without it labels must be numbers, and 0 is normal.

    Returns
    -------
    ndarray of bool of shape (n_samples,)

    Raises
    ------
    InvalidInputError
        If labels are missing, are text and `normal` is not given, or if no row has the label `normal`.
    """
    mask = is_normal(labels, normal)
    if not mask.any() and normal is not None and labels is not None:
        raise unknown("label", normal, label_names(labels))
    return mask


def is_normal(labels: Array | None, normal: str | None) -> NDArray[np.bool_]:
    """Return which rows of a batch are normal, as `normal_mask` does, but allow batches without normal rows."""
    if labels is None:
        raise InvalidInputError("The data must have labels. Name the column that holds them with --label-column.")
    missing = np.array(
        [label is None or (isinstance(label, float) and isnan(label)) for label in labels.tolist()], dtype=np.bool_
    )
    if missing.any():
        raise InvalidInputError(
            f"Every row must have a label, but row {int(missing.argmax())} has none. Fill it in or drop the row."
        )
    is_number = labels.dtype.kind in "biuf"
    if normal is None:
        if not is_number:
            names = ", ".join(label_names(labels))
            raise InvalidInputError(f"Text labels need --normal, the label of normal rows. Labels found: {names}.")
        return np.asarray(labels == 0)
    if is_number:
        return np.asarray(labels == _parse_number(normal))
    return np.array([_label_text(label) == normal for label in labels])


def label_names(labels: Array | None) -> list[str]:
    """Return different labels as text, at most twenty of them."""
    return [] if labels is None else sorted({shorten(_label_text(label)) for label in labels.tolist()})[:_MAX_LISTED]


def _label_text(label: Any) -> str:
    return label.decode(errors="replace") if isinstance(label, bytes) else str(label)


def _parse_number(text: str) -> float | None:
    booleans = {"true": 1.0, "false": 0.0}
    try:
        return booleans[text.lower()] if text.lower() in booleans else float(text)
    except ValueError:
        return None
