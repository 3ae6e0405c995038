"""Columns of training rows that a detector cannot learn from, or should not."""

import re
from dataclasses import dataclass

import numpy as np

from egbad.arrays import Floats
from egbad.data.column_roles import list_names
from egbad.data.column_types import CATEGORY, NUMBER
from egbad.data.stream import Data
from egbad.errors import DataQualityWarning, warn_user

_MIN_ROWS = 20  # fewer different values may be different by chance
_MAX_GAPS = 1.0  # unused numbers per row among numbers in any order, for them to look like row numbers
_ID_WORDS = {"id", "ids", "uuid", "guid", "key", "idx", "index", "nr"}
_WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


@dataclass(frozen=True)
class UninformativeColumns:
    """Names of columns that do not tell rows apart.

    Attributes
    ----------
    constant : tuple of str
        Columns with the same value in all rows.
    missing : tuple of str
        Columns without any value.
    all_columns : bool
        True if there are no others.
    """

    constant: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    all_columns: bool = False

    def notes(self) -> list[str]:
        """Return a sentence for each kind of columns, none if there are no other columns.

        Returns
        -------
        list of str

        Examples
        --------
        >>> UninformativeColumns(constant=("a", "b"), missing=("c",)).notes()
        ["Columns with one value in all rows: 'a', 'b'.", "Columns without any value: 'c'."]
        """
        found = {"with one value in all rows": self.constant, "without any value": self.missing}
        return (
            [] if self.all_columns else [f"Columns {words}: {list_names(own)}." for words, own in found.items() if own]
        )


def find_uninformative(data: Data) -> UninformativeColumns:
    """Find columns that do not tell training rows apart.

    Parameters
    ----------
    data : Data
        Rows; of images nothing is found.

    Returns
    -------
    UninformativeColumns
        Columns without names are named by their positions.

    Examples
    --------
    >>> from egbad.data import as_data
    >>> find_uninformative(as_data(np.array([[1.0, 2.0], [1.0, 3.0]]))).constant
    ('0',)
    """
    x = data.x
    if x.ndim != 2 or len(x) < 2:
        return UninformativeColumns()
    if data.coverage_rows is not None:
        x = np.concatenate([x, data.coverage_rows])
    names = data.columns or tuple(map(str, range(x.shape[1])))
    is_missing, is_constant = np.isnan(x).all(axis=0), (x == x[0]).all(axis=0)
    constant, missing = (tuple(names[j] for j in np.flatnonzero(mask)) for mask in (is_constant, is_missing))
    return UninformativeColumns(constant, missing, bool((is_constant | is_missing).all()))


def find_ids(data: Data) -> tuple[str, ...]:
    """Find columns with a different value in each row that seem to count or to name the rows.

    Parameters
    ----------
    data : Data

    Returns
    -------
    tuple of str
        Empty for images, and for rows whose columns have no names.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from egbad.data import as_data
    >>> find_ids(as_data(pa.table({"key": range(50), "size": [1.5, 2.5] * 25})))
    ('key',)
    """
    types = data.column_types or (NUMBER,) * len(data.columns or ())
    return tuple(name for j, name in enumerate(data.columns or ()) if is_id_like(name, types[j], data.x[:, j]))


def warn_of_quality(data: Data) -> None:
    """Warn of columns that make a detector useless.

    Parameters
    ----------
    data : Data
        Training rows.

    Warns
    -----
    DataQualityWarning
        If all columns are constant, or some look like ids.
    """
    if find_uninformative(data).all_columns:
        message = "All columns are constant: the detector can only flag rows that differ from all training rows."
        warn_user(message, DataQualityWarning)
    if ids := find_ids(data):
        message = (
            f"Columns that look like ids, with a different value in each row: {list_names(ids)}. New rows have values that "
            'were never seen. Leave them out (column_types={name: "ignore"}, --drop), or carry them to the scores '
            '(column_types={name: "id"}, --id-column).'
        )
        warn_user(message, DataQualityWarning)


def is_id_like(name: str, column_type: str, x: Floats) -> bool:
    """Return True for a column with a different value in each row that seems to count or to name the rows.

    A text does so if all of its values differ. Whole numbers do so if they rise or fall from row to row, if they leave out few
    numbers between the smallest and the largest one, or if the name of the column says that it is an id. Other numbers and
    times are measurements.

    Parameters
    ----------
    name : str
    column_type : str
    x : ndarray of shape (n_samples,)

    Returns
    -------
    bool

    Examples
    --------
    >>> rows = np.arange(100.0)
    >>> is_id_like("n", "number", rows), is_id_like("n", "number", rows / 3), is_id_like("n", "number", rows % 7)
    (True, False, False)
    """
    if column_type not in (NUMBER, CATEGORY) or len(x) < _MIN_ROWS or np.isnan(x).any():
        return False
    if column_type == NUMBER and (x != np.floor(x)).any():
        return False
    if len(np.unique(x)) < len(x):
        return False
    steps = np.diff(x.astype(np.float64))
    is_dense = x.max() - x.min() < (1 + _MAX_GAPS) * len(x)
    is_named = not _ID_WORDS.isdisjoint(word.lower() for word in _WORD.findall(name))
    return bool(column_type == CATEGORY or is_named or is_dense or (steps > 0).all() or (steps < 0).all())
