"""What a user has in memory -> rows or images as numbers, with the names and kinds of columns that came with them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from egbad.columns import CATEGORY, TIME, Texts, as_text, check_kinds, code_of, from_arrow
from egbad.errors import InvalidInputError, InvalidTypeError, unknown
from egbad.ragged import in_words, is_ragged, ragged

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[Any]
Kinds = Mapping[str, str] | Sequence[str]  # of columns by their names, of some or all; or of all in their order

AT_ONCE = 16_384  # rows of a batch
BATCHES = 64  # of a piece: about a million rows
MIN_SIDE, MAX_SIDE = 8, 128  # pixels


@dataclass(frozen=True)
class Data:
    """Rows or images as numbers.

    Attributes
    ----------
    x : array
        Rows (n, d), or images (n, h, w) or (n, c, h, w); of different sizes (n,), as `egbad.ragged` has them.
    columns : tuple of str, optional
        The names of the d columns.
    files : tuple of str, optional
        The path of each image, from the folder that was read.
    labels : array (n,), optional
        The label column, as found.
    first_row : int
        Which row of a larger whole the first is: errors count from there.
    kinds : tuple of str, optional
        What the d columns hold, of `egbad.columns.KINDS`; None if all are numbers.
    texts : dict
        For the positions of categories what their numbers stand for.
    source : str, optional
        The file that rows are from, of several.
    cover : array (m, d), optional
        Of a sample: rows that show what it doesn't. They are learned from, and set no threshold.
    """

    x: Array
    columns: tuple[str, ...] | None = None
    files: tuple[str, ...] | None = None
    labels: Array | None = None
    first_row: int = 0
    kinds: tuple[str, ...] | None = None
    texts: dict[int, Texts] = field(default_factory=dict)
    source: str | None = None
    cover: Array | None = None


@dataclass(frozen=True)
class Piece:
    """So many consecutive rows or images of a stream that they are worth a worker's while.

    Attributes
    ----------
    rows : int
        How many, where all can be read.
    read : callable
        Gives them in batches; it can be pickled.
    bad : list of str, optional
        Where files that can't be read are left out: what `read` adds them to.
    """

    rows: int
    read: Callable[[], Iterator[Data]]
    bad: list[str] | None = None


@dataclass(frozen=True)
class Stream:
    """Rows or images in batches, read as they are asked for.

    Attributes
    ----------
    rows : int, optional
        How many there are in all, where that is known before they are read.
    batches : iterator of Data
        In order, each with the place of its first row.
    pieces : tuple of Piece, optional
        The same in pieces that can be read by themselves, where the files are such that this is no more work.
    """

    rows: int | None
    batches: Iterator[Data]
    pieces: tuple[Piece, ...] | None = None

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> "Stream":
        """A stream of pieces."""
        whole = (batch for piece in pieces for batch in piece.read())
        return cls(sum(piece.rows for piece in pieces), whole, tuple(pieces))


def part_of(data: Data, rows: Array) -> Data:
    """Some of the rows or images, by position, without files and labels."""
    return replace(data, x=data.x[rows], files=None, labels=None)


def in_batches(data: Data) -> Stream:
    """What is in memory already, in batches."""

    def batches() -> Iterator[Data]:
        for start in range(0, len(data.x), AT_ONCE):
            own = slice(start, start + AT_ONCE)
            yield replace(
                data,
                x=data.x[own],
                files=None if data.files is None else data.files[own],
                labels=None if data.labels is None else data.labels[own],
                first_row=data.first_row + start,
            )

    return Stream(len(data.x), batches())


def as_data(X: Any, kinds: Kinds | None = None) -> Data:
    """What a user has in memory, as numbers.

    Parameters
    ----------
    X : array, DataFrame, Arrow table or Data
        Rows (n, d) or images (n, h, w), (n, c, h, w) or (n, h, w, c) with one, three or four channels. Or a list of images
        of different sizes.
    kinds : mapping or sequence of str, optional
        What columns hold, as `read` takes it. Without it the columns of an array must be numbers.

    Raises
    ------
    InvalidInputError
        When a column can't hold what it should; its name or position is in the message.
    InvalidTypeError
        For a sparse matrix.
    """
    if isinstance(X, Data):
        return replace(X, x=_in_order(X.x))
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise InvalidTypeError("X must be dense, got a sparse matrix. Convert it with X.toarray().")
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return _from_pandas(X, kinds)
    if hasattr(X, "__arrow_c_stream__"):
        import pyarrow as pa

        return table_data(pa.table(X), None, kinds)
    if (images := _of_different_sizes(X)) is not None:
        return Data(images)
    x = np.asarray(X)
    if x.ndim == 2 and kinds is not None and not isinstance(kinds, Mapping) and len(kinds) == x.shape[1]:
        return _from_objects(x, kinds)
    if x.dtype.kind == "O":
        x = _numbers_from_objects(x)
    if x.dtype.kind not in "biufc":
        raise InvalidInputError(
            f"X must be numbers, got an array of {x.dtype}. Give text and dates as the columns of a DataFrame or an Arrow table."
        )
    return Data(_in_order(x.astype(np.float64) if x.dtype.kind == "b" else x))


def _of_different_sizes(X: Any) -> Array | None:
    """Images in a list, or in an array of objects, that haven't all one shape -> (n,) of them; None for all else."""
    if not (isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and is_ragged(X))):
        return None
    images = [one for one in X if isinstance(one, np.ndarray) and one.ndim in (2, 3)]
    if len(images) < len(X) or not images:
        return None
    if len({image.shape for image in images}) == 1:
        return np.stack(images) if isinstance(X, np.ndarray) else None
    return ragged([_in_order(image[None])[0] for image in images])


def _in_order(x: Array) -> Array:
    """(n, h, w, c) -> (n, c, h, w), where the axes leave no doubt; row by row in memory, since sums round by its order."""
    channels = (1, 3, 4)
    if x.ndim == 4 and x.shape[3] in channels and x.shape[1] not in channels:
        x = np.moveaxis(x, 3, 1)
    return np.ascontiguousarray(x) if x.ndim else x


def _numbers_from_objects(x: Array) -> Array:
    try:
        return x.astype(np.float64)
    except TypeError as error:
        # scikit-learn's words: its own checks ask for them.
        raise InvalidTypeError(f"X must be numbers: argument must be a string or a real number, {error}.") from error
    except ValueError as error:
        column = _first_text_column(x)
        raise InvalidInputError(f"X must be numbers, got text{column}: {error}. Drop or encode it.") from error


def _first_text_column(x: Array) -> str:
    """Where the first thing stands that is no number, in words."""
    for place in np.ndindex(x.shape):
        try:
            float(x[place])
        except (TypeError, ValueError):
            return f" in row {place[0]}, column {place[1]}" if len(place) > 1 else f" in row {place[0]}"
    return ""


def _from_pandas(frame: Any, kinds: Kinds | None) -> Data:
    """A pandas frame; one whose column names are all text keeps them, as in scikit-learn."""
    import pyarrow as pa

    named = all(isinstance(name, str) for name in frame.columns)
    plain = all(getattr(dtype, "kind", "O") in "iuf" for dtype in frame.dtypes)
    if plain and kinds is None:  # scikit-learn's frames, and the fastest way
        x = frame.to_numpy(dtype=np.float64, na_value=np.nan)
        return Data(_in_order(x), tuple(frame.columns) if named else None)
    columns = []
    for j, name in enumerate(frame.columns):
        try:
            columns.append(pa.chunked_array([pa.array(frame.iloc[:, j], from_pandas=True)]))
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise InvalidInputError(
                f"Column '{name}' must hold values of one kind: {str(error).splitlines()[0].rstrip('.')}. Convert or drop it."
            ) from error
    return _from_columns([str(name) for name in frame.columns], columns, kinds, named=named)


def table_data(table: "pa.Table", label_column: str | None, kinds: Kinds | None) -> Data:
    """An Arrow table, its label column apart."""
    labels = None
    if label_column is not None:
        if label_column not in table.column_names:
            raise unknown("label column", label_column, table.column_names)
        labels = table[label_column].combine_chunks().to_numpy(zero_copy_only=False)
        table = table.drop_columns([label_column])
    data = _from_columns(table.column_names, table.columns, kinds)
    return replace(data, x=data.x if data.x.size else np.empty((table.num_rows, 0)), labels=labels)


def _from_columns(
    names: Sequence[str], columns: "Sequence[pa.ChunkedArray]", kinds: Kinds | None, *, named: bool = True
) -> Data:
    """Columns of any kind, as numbers."""
    if isinstance(kinds, Mapping):
        check_kinds(kinds.values())
        wanted: Sequence[str | None] = [kinds.get(name) for name in names]
    else:
        wanted = kinds if kinds is not None and len(kinds) == len(names) else [None] * len(names)
    found = [from_arrow(*given) for given in zip(names, columns, wanted, strict=True)]
    own = tuple(kind for kind, _, _ in found)
    x = np.column_stack([values for _, values, _ in found]) if found else np.empty((0, 0))
    texts = {j: texts for j, (_, _, texts) in enumerate(found) if texts}
    mixed = any(kind in (CATEGORY, TIME) for kind in own)
    return Data(x, tuple(names) if named else None, kinds=own if mixed else None, texts=texts)


def _from_objects(x: Array, kinds: Sequence[str]) -> Data:
    """An array (n, d) whose columns are of these kinds."""
    if x.dtype.kind == "O":
        import pyarrow as pa

        columns = [pa.chunked_array([pa.array(x[:, j], from_pandas=True)]) for j in range(x.shape[1])]
        return _from_columns([f"{j}" for j in range(x.shape[1])], columns, kinds, named=False)
    if x.dtype.kind not in "biuf":
        raise InvalidInputError(f"X must hold what the detector was fitted on, got an array of {x.dtype}.")
    numbers, texts = x.astype(np.float64), {}
    for j, kind in enumerate(kinds):
        if kind == CATEGORY:
            values, place = np.unique(numbers[:, j], return_inverse=True)
            codes = np.array([np.nan if np.isnan(v) else code_of(as_text(v)) for v in values.tolist()])
            known = ~np.isnan(values)
            texts[j] = dict(zip(codes[known].tolist(), map(as_text, values[known].tolist()), strict=True))
            numbers[:, j] = codes[place]
    return Data(numbers, kinds=tuple(kinds), texts=texts)


# -- what is refused at the door -----------------------------------------------------------------------------------------


def names_message(unseen: list[str], missing: list[str]) -> str:
    """scikit-learn's words for column names that differ, so that code which knows them finds them here too."""
    lines = ["The feature names should match those that were passed during fit."]
    if unseen:
        lines += ["Feature names unseen at fit time:", *_listed(unseen)]
    if missing:
        lines += ["Feature names seen at fit time, yet now missing:", *_listed(missing)]
    if not unseen and not missing:
        lines.append("Feature names must be in the same order as they were in fit.")
    return "\n".join(lines) + "\n"


def _listed(names: list[str]) -> list[str]:
    return [f"- {name}" for name in sorted(names)[:5]] + (["- ..."] if len(names) > 5 else [])


def check_numbers(data: Data, max_side: int = MAX_SIDE, *, any_size: bool = False) -> None:
    """Refuse what no detector can take: wrong axes or sizes, nothing at all, infinity, and NaN in images, the first named.

    NaN in a table is a missing value. Images may be `max_side` pixels high and wide, and with `any_size` of different sizes.
    """
    x = data.x
    if is_ragged(x) and len(x):
        if not any_size:
            raise InvalidInputError(
                f"Images must be of one size, got {in_words(x)}. Resize them, or learn them by patches (Tiled, or --tile)."
            )
        _check_each(data, max_side)
        return
    if x.ndim not in (2, 3, 4):
        raise InvalidInputError(
            f"X must be rows (n, d) or images (n, h, w) or (n, c, h, w), got {x.ndim}D array instead of 2D array, 3D or "
            f"4D: shape {x.shape}. Reshape your data, with X.reshape(1, -1) if it is a single row."
        )
    if np.iscomplexobj(x):
        raise InvalidInputError("Complex data not supported: X must be real numbers.")
    if x.ndim == 2 and x.shape[1] == 0:
        raise InvalidInputError(f"Found array with 0 feature(s) (shape={x.shape}) while a minimum of 1 is required.")
    if len(x) == 0:
        raise InvalidInputError(f"Found array with 0 sample(s) (shape={x.shape}) while a minimum of 1 is required.")
    if x.ndim > 2 and not MIN_SIDE <= min(x.shape[-2:]) <= max(x.shape[-2:]) <= max_side:
        patches = ", or learn them by patches (Tiled, or --tile)" if max_side == MAX_SIDE < max(x.shape[-2:]) else ""
        raise InvalidInputError(
            f"Images must be {MIN_SIDE} to {max_side} pixels high and wide, got {x.shape[-2]} x {x.shape[-1]}. "
            f"Resize them{patches}."
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        bad = np.isinf(x) if x.ndim == 2 else ~np.isfinite(x)
        if not bad.any():
            return
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        value = "NaN" if np.isnan(x[where]) else "infinity"
        column = f"column '{data.columns[where[1]]}'" if data.columns else f"column {where[1]}"
        place, what = (column, "finite or missing") if x.ndim == 2 else (f"pixel {where[1:]}", "finite")
        whose = f", of '{data.source}'" if data.source else ""
        raise InvalidInputError(
            f"X must be {what}, got {value} in row {data.first_row + where[0]}, {place}{whose}. Fill or drop such rows."
        )


def _check_each(data: Data, max_side: int) -> None:
    """Refuse images of different sizes of which one can't be taken, or that haven't all the same channels."""
    channels = data.x[0].shape[:-2]
    for i, image in enumerate(data.x):
        if image.shape[:-2] != channels:
            raise InvalidInputError(
                f"Images must all have the same channels, got shape {data.x[0].shape} and, in image {i}, {image.shape}. "
                "Bring them to grey or to colour."
            )
        check_numbers(replace(data, x=image[None], first_row=data.first_row + i), max_side)
