"""The first lines of a CSV file: compression, encoding, comments, and the cells that a delimiter makes of them."""

import codecs
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from egbad.data.file_errors import arrow_errors, arrow_path
from egbad.errors import EmptyFileError, UnreadableFileError

_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}
_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SAMPLE_BYTES, _MAX_SAMPLE_BYTES = 2**18, 2**26
_MIN_LINES, _MAX_LINES = 3, 1000
_KANA = re.compile("[\u3041-\u30ff]")
_BLOCK_BYTES = 2**27  # of the parser; a sample is one block


@dataclass(frozen=True)
class CsvLimits:
    """Limits that are checked before a file is parsed, since each column takes about 10 kB of the parser's memory.

    Attributes
    ----------
    columns : int
        Columns of a table.
    line_bytes : int
        Bytes of each of the first lines.
    """

    columns: int = 50_000
    line_bytes: int = 2**24


DEFAULT_CSV_LIMITS = CsvLimits()


@dataclass(frozen=True)
class SampleTable:
    """Cells of a sample, split at a delimiter.

    Attributes
    ----------
    cells : pyarrow.StringArray of length n_columns * n_rows
        Column after column; null for an empty cell.
    n_columns, n_rows : int
    ragged_fraction : float
        Fraction of the rows that were left out because they have another number of cells.
    delimiter : str
    """

    cells: pa.Array
    n_columns: int
    n_rows: int
    ragged_fraction: float
    delimiter: str = ","

    @cached_property
    def first_row(self) -> tuple[str, ...]:
        """Texts of the first row."""
        return tuple(text or "" for text in self.cells_of_row(0).to_pylist())

    def column(self, j: int) -> pa.Array:
        """Return the cells of a column."""
        return self.cells.slice(j * self.n_rows, self.n_rows)

    def cells_of_row(self, i: int) -> pa.Array:
        """Return the cells of a row."""
        return self.cells.take(_indices(np.arange(self.n_columns, dtype=np.int64) * self.n_rows + i))

    def by_column(self, values: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return values of the cells as an array of shape (n_columns, n_rows)."""
        return values.reshape(self.n_columns, self.n_rows)

    def without_header(self) -> "SampleTable":
        """Return the table without its first row."""
        kept = np.arange(self.n_columns * self.n_rows, dtype=np.int64).reshape(self.n_columns, self.n_rows)[:, 1:]
        cells = self.cells.take(_indices(kept.ravel()))
        return SampleTable(cells, self.n_columns, max(0, self.n_rows - 1), self.ragged_fraction, self.delimiter)


@dataclass(frozen=True)
class CsvSample:
    """The first lines of a CSV file.

    Attributes
    ----------
    path : Path
    text : str
        Complete lines without comments.
    compression : str, optional
    encoding : str
    comment : str, optional
        Sign at the beginning of comments.
    comments : tuple of str
        Comments before the first other line, without their sign.
    preamble_lines : int
        Lines before the header that are no comments: empty ones, and "sep=;" as Excel writes it.
    delimiter : str, optional
        Delimiter that such a line names.
    max_columns : int
        Columns that a table may have.
    """

    path: Path
    text: str
    compression: str | None
    encoding: str
    comment: str | None
    comments: tuple[str, ...]
    preamble_lines: int
    delimiter: str | None
    max_columns: int = DEFAULT_CSV_LIMITS.columns
    _tables: dict[str, SampleTable] = field(default_factory=dict)

    def split(self, delimiter: str) -> SampleTable:
        """Split the lines at a delimiter; a table without columns if that is impossible or there are too many."""
        if delimiter not in self._tables:
            is_wide = self.has_too_many_columns(delimiter)
            self._tables[delimiter] = (
                _no_table(delimiter) if is_wide else _split(self.text, delimiter, self.max_columns)
            )
        return self._tables[delimiter]

    def has_too_many_columns(self, delimiter: str) -> bool:
        """Return True if a delimiter splits the first row into more than `max_columns` cells."""
        if self.text.count(delimiter) < self.max_columns:
            return False
        cell = re.compile(rf'(?:"(?:[^"]|"")*+"?)?[^{re.escape(delimiter)}\n]*')
        end = -1
        for _ in range(self.max_columns):
            match = cell.match(self.text, end + 1)
            end = match.end() if match else len(self.text)
            if self.text[end : end + 1] != delimiter:
                return False
        return True

    def header_comment(self, table: SampleTable) -> tuple[str, ...]:
        """Return the names of the columns if the last comment holds them, as NumPy writes it."""
        if not self.comments or table.n_columns < 2:
            return ()
        names = tuple(name.strip().strip('"') for name in self.comments[-1].split(table.delimiter))
        return names if len(names) == table.n_columns and len({*names}) == len(names) else ()


def read_sample(
    path: Path,
    encoding: str | None,
    likely_encoding: str,
    comment: str | None,
    limits: CsvLimits = DEFAULT_CSV_LIMITS,
) -> CsvSample:
    """Read the first lines of a CSV file.

    Parameters
    ----------
    path : Path
    encoding : str, optional
        Encoding of the file. By default it is detected.
    likely_encoding : str
        Encoding of a file whose first lines are in no other.
    comment : str, optional
        Sign at the beginning of comments. By default "#" if the file begins with it.
    limits : CsvLimits

    Returns
    -------
    CsvSample

    Raises
    ------
    EmptyFileError
        If the file is empty.
    UnreadableFileError
        If it is damaged, or its lines are too long.
    """
    with arrow_errors(path):
        content, compression, complete = _read_bytes(path, limits.line_bytes)
    if not content.strip():
        raise EmptyFileError(f"'{path}' must have at least one row, got an empty file.")
    if content.startswith(b"PAR1"):
        raise UnreadableFileError(f"'{path}' must hold text, got a Parquet file. Name it '.parquet'.")
    encoding = encoding or _find_encoding(content, likely_encoding)
    try:
        text = io.IncrementalNewlineDecoder(None, translate=True).decode(_decode(content, encoding, complete), True)
    except UnicodeError as error:
        raise encoding_error(path, encoding) from error
    lines = text.removeprefix("\ufeff").split("\n")
    if not complete and len(lines) > 1:
        lines.pop()
    if not complete or len(lines) > _MAX_LINES:
        lines = _complete_rows(lines[:_MAX_LINES])
    sample = _without_comments(path, lines, compression, encoding, comment)
    return replace(sample, max_columns=limits.columns)


def _complete_rows(lines: list[str]) -> list[str]:
    """Leave out lines at the end that lie inside of quotation marks."""
    counts = np.cumsum([line.count('"') for line in lines])
    even = np.flatnonzero(counts % 2 == 0)
    return lines[: int(even[-1]) + 1] if len(even) else lines


def _without_comments(
    path: Path, lines: list[str], compression: str | None, encoding: str, comment: str | None
) -> CsvSample:
    """Return a sample of lines without comments and without what stands before the header."""
    if comment is None and next((line for line in lines if line.strip()), "").startswith("#"):
        comment = "#"
    is_comment, is_quoted = list[bool](), False
    for line in lines:
        is_comment.append(comment is not None and not is_quoted and line.startswith(comment))
        is_quoted ^= not is_comment[-1] and bool(line.count('"') % 2)
    first = next((i for i, line in enumerate(lines) if line.strip() and not is_comment[i]), len(lines))
    comments = tuple(line[1:].strip() for line in lines[:first] if line.strip())
    n_empty = first - sum(is_comment[:first])
    kept = [line for line, comments_out in zip(lines[first:], is_comment[first:], strict=True) if not comments_out]
    named = re.fullmatch(r"sep=(.)", kept[0].strip("\r ")) if kept else None
    kept = kept[1:] if named else kept
    if not any(line.strip() for line in kept):
        raise EmptyFileError(f"'{path}' must have at least one row, got an empty file.")
    delimiter = named[1] if named else None
    return CsvSample(path, "\n".join(kept), compression, encoding, comment, comments, n_empty + bool(named), delimiter)


def encoding_error(path: Path, encoding: str) -> UnreadableFileError:
    """Create the error for a file that is not in an encoding."""
    return UnreadableFileError(
        f"'{path}' must be text in the encoding {encoding}, got other bytes. Pass its encoding, for example with "
        "--encoding latin-1, or convert the file."
    )


def open_bytes(path: Path, compression: str | None) -> pa.NativeFile:
    """Open a file, and decompress it on the way."""
    with arrow_path(path) as source:
        return pa.input_stream(source, compression=compression)


def long_row_error(path: Path, max_bytes: int) -> UnreadableFileError:
    """Create the error for a file with a line that is too long."""
    return UnreadableFileError(
        f"'{path}' must have rows of at most {max_bytes:,} bytes, got a longer one. Check that each quotation mark at the "
        "beginning of a cell has another one at its end."
    )


def find_compression(content: bytes) -> str | None:
    """Return the name of the codec that a file is compressed with, None if it is not.

    Parameters
    ----------
    content : bytes
        At least the first four bytes.

    Returns
    -------
    str or None
    """
    return next((name for magic, name in _COMPRESSIONS.items() if content.startswith(magic)), None)


def _read_bytes(path: Path, max_line_bytes: int) -> tuple[bytes, str | None, bool]:
    """Return the first bytes of a file, its compression, and True if these are all bytes."""
    with path.open("rb") as file:
        start = file.read(4)
    compression = find_compression(start)
    wanted = _SAMPLE_BYTES
    with open_bytes(path, compression) as stream:
        content = b""
        while True:
            part = stream.read(wanted - len(content))
            content += part
            if len(content) > max_line_bytes and _longest_line(content) > max_line_bytes:
                raise long_row_error(path, max_line_bytes)
            if not part:
                return content, compression, True
            if len(content) >= wanted:
                if content.count(b"\n") + content.count(b"\r") >= _MIN_LINES or wanted >= _MAX_SAMPLE_BYTES:
                    return content, compression, False
                wanted *= 2


def _longest_line(content: bytes) -> int:
    return max(map(len, content.splitlines()), default=0)


def _find_encoding(content: bytes, likely: str) -> str:
    """Return the encoding of text by its byte order mark, or the first that fits."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            return encoding
    even, odd = content[:4096:2].count(0), content[1:4096:2].count(0)
    if max(even, odd) * 4 > min(len(content), 4096):
        return "utf-16-le" if odd > even else "utf-16-be"
    if content.isascii():
        return likely if "16" not in likely else "utf-8"
    for encoding in dict.fromkeys(("utf-8", likely, "cp932", "euc_jp", "cp1252")):
        try:
            text = _decode(content, encoding, complete=False)
        except UnicodeError:
            continue
        if encoding in ("cp932", "euc_jp") and not _KANA.search(text):
            continue
        return encoding
    return "latin-1"


def _decode(content: bytes, encoding: str, complete: bool) -> str:
    """Decode bytes; the last character may be incomplete unless they are all of the file."""
    return codecs.getincrementaldecoder(encoding)().decode(content, complete)


def _split(text: str, delimiter: str, max_columns: int) -> SampleTable:
    """Split lines into cells of text."""
    ragged = 0

    def skip_row(row: object) -> str:
        nonlocal ragged
        ragged += 1
        return "skip"

    # Arrow names columns f0, f1, ... Their types are given for as many as there can be, since detecting them takes long.
    names = [f"f{j}" for j in range(min(text.count(delimiter) + 1, max_columns))]
    parse_options = pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip_row)
    read_options = pa.csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES, autogenerate_column_names=True)
    try:
        table = pa.csv.read_csv(io.BytesIO(text.encode()), read_options, parse_options, text_options(names))
    except pa.ArrowInvalid:  # lines without a meaning for this delimiter
        return _no_table(delimiter)
    cells = pa.concat_arrays([chunk for column in table.columns for chunk in column.chunks])
    ragged_fraction = ragged / max(1, table.num_rows + ragged)
    return SampleTable(cells, table.num_columns, table.num_rows, ragged_fraction, delimiter)


def _no_table(delimiter: str) -> SampleTable:
    return SampleTable(pa.nulls(0, pa.string()), 0, 0, 1.0, delimiter)


def text_options(names: Sequence[str]) -> pa.csv.ConvertOptions:
    """Return options that read columns as text, and empty cells as null; quoted empty cells are empty text."""
    return pa.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )


def _indices(positions: NDArray[np.int64]) -> pa.Array:
    """Return positions as an Arrow array. `pa.array` is not used because it imports pandas."""
    return pa.Array.from_buffers(pa.int64(), len(positions), [None, pa.py_buffer(np.ascontiguousarray(positions))])
