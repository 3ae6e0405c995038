"""A path or an object -> rows or images as numbers, with the names and kinds of columns that came with them.

Read are `.npz`, `.npy`, `.csv` and `.parquet` files and folders of images; and in memory NumPy arrays, pandas and polars
frames, Arrow tables and whatever else speaks Arrow's stream interface. Nothing is ever unpickled.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from egbad.columns import CATEGORY, TIME, Texts, as_text, check_kinds, code_of, from_arrow
from egbad.errors import InvalidInputError, InvalidTypeError, UnreadableFileError, unknown

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[Any]
Kinds = Mapping[str, str] | Sequence[str]  # of columns by their names, of some or all; or of all in their order

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
_NOT_NUMPYS = (ValueError, OSError, EOFError, BadZipFile, AttributeError, TypeError)  # what NumPy says of other files
_TABLES = (".csv", ".parquet")
MIN_SIDE, MAX_SIDE = 8, 128  # pixels
FOLDER_LABELS = "folder"  # the label column of a folder of images: the name of the folder that a file lies in


@dataclass(frozen=True)
class Data:
    """Rows or images as numbers.

    Attributes
    ----------
    x : array
        Rows (n, d), or images (n, h, w) or (n, c, h, w).
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
    """

    x: Array
    columns: tuple[str, ...] | None = None
    files: tuple[str, ...] | None = None
    labels: Array | None = None
    first_row: int = 0
    kinds: tuple[str, ...] | None = None
    texts: dict[int, Texts] = field(default_factory=dict)


def read(
    path: str | os.PathLike[str],
    *,
    label_column: str | None = None,
    image_size: tuple[int, int] | None = None,
    kinds: Kinds | None = None,
) -> Data:
    """Read a table, a stack of images or a folder of images.

    Parameters
    ----------
    path : path
        A `.npz` (key `X`, `x` or `images`; labels under `y` or `labels`), `.npy`, `.csv` or `.parquet` file, or a
        folder, at any depth, of images.
    label_column : str, optional
        The column, or the key of a `.npz`, that holds labels: it is left out of `x`. For images "folder": the name of
        the folder that each lies in.
    image_size : (height, width), optional
        What images of a folder are resized to, in pixels. Without it all must have the same size.
    kinds : mapping or sequence of str, optional
        What columns of a table hold, of `egbad.columns.KINDS`, by their names, some or all of them, or in their order. By
        default what their types say.

    Raises
    ------
    UnreadableFileError
        When the file is missing, damaged or of a kind that isn't read.
    InvalidInputError
        When it has no rows, a column that can't hold what `kinds` says, or no such label column.
    """
    path = Path(path)
    if not path.exists():
        raise UnreadableFileError(f"There is no file or folder '{path}'. Check the path.")
    if path.is_dir():
        return _read_folder(path, label_column, image_size)
    if path.suffix.lower() in _TABLES:
        return _read_table(path, label_column, kinds)
    readers: dict[str, Callable[[Path, str | None], Data]] = {".npz": _read_npz, ".npy": _read_npy}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        known = ", ".join([*readers, *_TABLES])
        raise UnreadableFileError(
            f"Files that can be read end in {known}, or are folders of images, got '{path.name}'."
        )
    return reader(path, label_column)


def as_data(X: Any, kinds: Kinds | None = None) -> Data:
    """What a user has in memory, as numbers.

    Parameters
    ----------
    X : array, DataFrame, Arrow table or Data
        Rows (n, d) or images (n, h, w), (n, c, h, w) or (n, h, w, c) with one, three or four channels.
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

        return _from_arrow(pa.table(X), None, kinds)
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


# -- batch by batch ----------------------------------------------------------------------------------------------------

AT_ONCE = 16_384  # rows of a batch
_BLOCK = 16 * 2**20  # bytes of a .csv file that make one


@dataclass(frozen=True)
class Stream:
    """Rows or images in batches, read as they are asked for.

    Attributes
    ----------
    rows : int, optional
        How many there are in all, where that is known before they are read.
    batches : iterator of Data
        In order, each with the place of its first row.
    """

    rows: int | None
    batches: Iterator[Data]


def stream(
    path: str | os.PathLike[str],
    *,
    label_column: str | None = None,
    image_size: tuple[int, int] | None = None,
    kinds: Kinds | None = None,
) -> Stream:
    """What `read` reads, in batches: tables of .csv and .parquet files are never in memory as a whole.

    Raises
    ------
    UnreadableFileError, InvalidInputError
        As `read` does, of what is in a batch when that is asked for.
    """
    path = Path(path)
    if not path.is_file() or path.suffix.lower() not in _TABLES:
        return in_batches(read(path, label_column=label_column, image_size=image_size, kinds=kinds))
    opened = _stream_csv if path.suffix.lower() == ".csv" else _stream_parquet
    return opened(path, label_column, kinds)


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


def _stream_parquet(path: Path, label_column: str | None, kinds: Kinds | None) -> Stream:
    import pyarrow as pa
    import pyarrow.parquet

    with _readable(path):
        file = pa.parquet.ParquetFile(path, pre_buffer=False)
    rows = file.metadata.num_rows
    if rows == 0:
        raise InvalidInputError(f"'{path}' must have at least one row, got an empty table.")
    return Stream(rows, _from_batches(path, file.iter_batches(AT_ONCE), label_column, kinds))


def _stream_csv(path: Path, label_column: str | None, kinds: Kinds | None) -> Stream:
    import pyarrow as pa
    import pyarrow.csv

    def opened(types: dict[str, pa.DataType]) -> Any:
        return pa.csv.open_csv(path, pa.csv.ReadOptions(block_size=_BLOCK), convert_options=_as_kinds(kinds, types))

    with _readable(path), opened({}) as first:
        # Arrow takes a column's type from the first block: what looks whole there may have a fraction further down.
        whole = [f.name for f in first.schema if pa.types.is_integer(f.type) or pa.types.is_null(f.type)]
        names = first.schema.names
    types = {name: pa.float64() for name in whole if name != label_column and names.count(name) == 1}
    with _readable(path):
        reader = opened(types)
    return Stream(None, _from_batches(path, reader, label_column, kinds))


def _as_kinds(kinds: Kinds | None, types: Mapping[str, Any]) -> Any:
    """How a .csv file is read: categories as the text that stands there, an empty field as missing."""
    import pyarrow as pa
    import pyarrow.csv

    text = [name for name, kind in kinds.items() if kind == CATEGORY] if isinstance(kinds, Mapping) else []
    return pa.csv.ConvertOptions(
        column_types={**types, **dict.fromkeys(text, pa.string())},
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )


def _from_batches(path: Path, batches: Iterable[Any], label_column: str | None, kinds: Kinds | None) -> Iterator[Data]:
    """Arrow's record batches as data."""
    import pyarrow as pa

    row, iterator = 0, iter(batches)
    while True:
        with _readable(path):
            batch = next(iterator, None)
        if batch is None:
            break
        if batch.num_rows:
            yield replace(_from_arrow(pa.Table.from_batches([batch]), label_column, kinds), first_row=row)
            row += batch.num_rows
    if row == 0:
        raise InvalidInputError(f"'{path}' must have at least one row, got an empty table.")


# -- in memory ---------------------------------------------------------------------------------------------------------


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


def _from_arrow(table: "pa.Table", label_column: str | None, kinds: Kinds | None) -> Data:
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
            texts[j] = dict(zip(codes.tolist(), map(as_text, values.tolist()), strict=True))
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


def check_numbers(data: Data) -> None:
    """Refuse what no detector can take: wrong axes or sizes, nothing at all, infinity, and NaN in images, the first named.

    NaN in a table is a missing value.
    """
    x = data.x
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
    if x.ndim > 2 and not MIN_SIDE <= min(x.shape[-2:]) <= max(x.shape[-2:]) <= MAX_SIDE:
        raise InvalidInputError(
            f"Images must be {MIN_SIDE} to {MAX_SIDE} pixels high and wide, got {x.shape[-2]} x {x.shape[-1]}. Resize them."
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        bad = np.isinf(x) if x.ndim == 2 else ~np.isfinite(x)
        if not bad.any():
            return
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        value = "NaN" if np.isnan(x[where]) else "infinity"
        column = f"column '{data.columns[where[1]]}'" if data.columns else f"column {where[1]}"
        place, what = (column, "finite or missing") if x.ndim == 2 else (f"pixel {where[1:]}", "finite")
        raise InvalidInputError(
            f"X must be {what}, got {value} in row {data.first_row + where[0]}, {place}. Fill or drop such rows."
        )


# -- files -------------------------------------------------------------------------------------------------------------


def _damaged(path: Path, error: Exception) -> UnreadableFileError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return UnreadableFileError(
        f"'{path}' can't be read as {path.suffix.lower()}: {reason.rstrip('.')}. Check the file."
    )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What Arrow says of a table that can't be read, in one sentence."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if path.stat().st_size == 0:
            raise InvalidInputError(f"'{path}' must have at least one row, got an empty file.") from error
        raise _damaged(path, error) from error


def _not_empty(path: Path, data: Data) -> Data:
    if len(data.x) == 0:
        raise InvalidInputError(f"'{path}' must have at least one row, got an empty table.")
    return data


def _read_table(path: Path, label_column: str | None, kinds: Kinds | None) -> Data:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    with _readable(path):
        if path.suffix.lower() == ".csv":
            table = pa.csv.read_csv(path, convert_options=_as_kinds(kinds, {}))
        else:
            table = pa.parquet.read_table(path)
    return _not_empty(path, _from_arrow(table, label_column, kinds))


def _read_npy(path: Path, label_column: str | None) -> Data:
    if label_column is not None:
        raise InvalidInputError(
            f"A .npy file has no labels, got label column '{label_column}'. Use .npz, .csv or .parquet."
        )
    try:
        with path.open("rb") as file:  # NumPy leaves a file open that it can't read
            x = np.lib.format.read_array(file, allow_pickle=False)
    except _NOT_NUMPYS as error:
        raise _damaged(path, error) from error
    return _not_empty(path, as_data(x))


def _read_npz(path: Path, label_column: str | None) -> Data:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            found = {key: archive[key] for key in archive.files if archive[key].dtype.kind != "O"}
    except _NOT_NUMPYS as error:
        raise _damaged(path, error) from error
    if label_column is not None and label_column not in found:
        raise unknown("label key", label_column, found)
    key = next((key for key in ("X", "x", "images") if key in found and key != label_column), None)
    if key is None:
        raise InvalidInputError(f"'{path}' must have an array X, x or images, got {', '.join(found) or 'none'}.")
    data = as_data(found[key])
    label_key = label_column or next((k for k in ("y", "labels") if k in found), None)
    labels = found[label_key].ravel() if label_key else None
    if labels is not None and len(labels) != len(data.x):
        raise InvalidInputError(
            f"'{path}' must have one label per row, got {len(labels)} labels for {len(data.x)} rows."
        )
    return _not_empty(path, replace(data, labels=labels))


def _read_folder(folder: Path, label_column: str | None, size: tuple[int, int] | None) -> Data:
    if label_column not in (None, FOLDER_LABELS):
        raise InvalidInputError(
            f"A folder of images has the label column '{FOLDER_LABELS}' only, the name of each image's folder, "
            f"got '{label_column}'."
        )
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    if not paths:
        raise InvalidInputError(f"'{folder}' must hold images ({', '.join(IMAGE_SUFFIXES)}), got none.")
    images = _images(paths, size)
    labels = np.array([p.parent.name for p in paths]) if label_column else None
    return Data(images, files=tuple(str(p.relative_to(folder)) for p in paths), labels=labels)


def _images(paths: Sequence[Path], size: tuple[int, int] | None) -> Array:
    """All images, in colour (n, 3, h, w) if any of them is, else grey (n, h, w)."""
    arrays = [_image(path, size) for path in paths]
    if any(a.ndim == 3 for a in arrays):
        arrays = [a if a.ndim == 3 else np.repeat(a[None], 3, axis=0) for a in arrays]
    for path, a in zip(paths, arrays, strict=True):
        if a.shape != arrays[0].shape:
            h, w = a.shape[-2:]
            raise InvalidInputError(
                f"Images must have one size: '{paths[0].name}' has {arrays[0].shape[-2]} x {arrays[0].shape[-1]} pixels, "
                f"'{path.name}' {h} x {w}. Give a size to bring them to (--image-size, or image_size)."
            )
    return np.stack(arrays)


def _image(path: Path, size: tuple[int, int] | None) -> Array:
    """One image: (h, w) if it is grey, else (3, h, w); 8 bit, or 16 bit where the file has them."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            deep = image.mode.startswith("I;16") or image.mode == "I"
            grey = deep or image.mode in ("1", "L", "LA", "F")
            converted = image.convert("F") if deep else image.convert("L" if grey else "RGB")
            if size is not None:
                converted = converted.resize((size[1], size[0]), Image.Resampling.LANCZOS)
            a = np.asarray(converted)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableFileError(f"'{path}' can't be read as an image: {error}. Mend or remove it.") from error
    if deep:
        a = np.clip(np.round(a), 0, 65535).astype(np.uint16)
    return a if grey else np.moveaxis(a, 2, 0)
