"""Cells of a CSV file as text, batch by batch."""

import io
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.csv

from egbad.data.csv_layout import CsvLayout
from egbad.data.csv_sample import encoding_error, long_row_error, open_bytes, text_options
from egbad.data.file_errors import arrow_errors

_CHUNK_BYTES = 2**20


def read_cells(layout: CsvLayout, batch_bytes: int, positions: Collection[int] | None = None) -> Iterator[pa.Table]:
    """Read the cells of a file as text.

    Parameters
    ----------
    layout : CsvLayout
    batch_bytes : int
        Bytes of a batch.
    positions : collection of int, optional
        Positions of the columns to read. By default all.

    Yields
    ------
    pyarrow.Table
        Columns of text in the order of the file; null where a cell is empty. Tables have at least one row, and the
        positions of the columns as names.

    Raises
    ------
    UnreadableFileError
        If the file is damaged or in another encoding.
    """
    names = [str(j) for j in range(len(layout.names))]
    read_options = pa.csv.ReadOptions(
        block_size=batch_bytes, skip_rows=layout.skipped_lines, column_names=names, use_threads=True
    )
    parse_options = pa.csv.ParseOptions(delimiter=layout.dialect.delimiter, newlines_in_values=True)
    convert_options = text_options(names)
    if positions is not None:
        convert_options.include_columns = [str(j) for j in sorted(positions)]
    with _csv_errors(layout, batch_bytes), closing(_open_text(layout, batch_bytes)) as file:
        try:
            reader = pa.csv.open_csv(file, read_options, parse_options, convert_options)
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):  # a header and no rows
                return
            raise
        with reader:
            for batch in reader:
                if batch.num_rows:
                    yield pa.Table.from_batches([batch])


@contextmanager
def _csv_errors(layout: CsvLayout, batch_bytes: int) -> Iterator[None]:
    """Replace errors of a file that is read by errors of this package."""
    with arrow_errors(layout.path):
        try:
            yield
        except UnicodeError as error:
            raise encoding_error(layout.path, layout.dialect.encoding) from error
        except pa.ArrowInvalid as error:
            if "UTF8" in str(error):
                raise encoding_error(layout.path, layout.dialect.encoding) from error
            if "straddling" in str(error):
                raise long_row_error(layout.path, batch_bytes) from error
            raise


def _open_text(layout: CsvLayout, max_line_bytes: int) -> Any:
    """Open a file as UTF-8 without comments."""
    file = open_bytes(layout.path, layout.compression)
    if layout.dialect.encoding != "utf-8":
        file = pa.transcoding_input_stream(file, layout.dialect.encoding, "utf-8")
    if layout.dialect.comment is None:
        return file
    return io.BufferedReader(_CommentFilter(file, layout, max_line_bytes), _CHUNK_BYTES)


class _CommentFilter(io.RawIOBase):
    """A binary file without the lines that begin with the layout's comment sign, except inside of quotation marks."""

    def __init__(self, file: Any, layout: CsvLayout, max_line_bytes: int) -> None:
        self.file, self.path, self.max_line_bytes = file, layout.path, max_line_bytes
        self.comment = str(layout.dialect.comment).encode()
        self.rest = self.pending = b""
        self.is_quoted = False  # a quotation mark is open

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer and return the number of bytes."""
        while not self.pending:
            part = self.file.read(_CHUNK_BYTES)
            block = self.rest + part
            if not block:
                return 0
            end = block.rfind(b"\n") + 1 if part else len(block)
            self.pending, self.rest = self._filter(block[:end]), block[end:]
            if len(self.rest) > self.max_line_bytes:
                raise long_row_error(self.path, self.max_line_bytes)
        n = min(len(buffer), len(self.pending))
        buffer[:n], self.pending = self.pending[:n], self.pending[n:]
        return n

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        super().close()

    def _filter(self, block: bytes) -> bytes:
        """Return the lines of a block that are no comments."""
        kept = []
        for line in block.splitlines(keepends=True):
            if self.is_quoted or not line.startswith(self.comment):
                kept.append(line)
                self.is_quoted ^= bool(line.count(b'"') % 2)
        return b"".join(kept)
