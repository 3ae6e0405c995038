"""Input data: files and objects in memory become rows or images as numbers.

`as_data` converts objects: NumPy arrays, pandas and polars DataFrames, Arrow tables, and all that supports Arrow's stream
interface. `read` and `open_stream` take paths of CSV, Parquet and NumPy files, of images, and of folders of tables or
images.

Reading
    read : read everything into memory.
    open_stream : read in batches, for more data than memory can hold.
    BatchSizes : sizes of these batches.
    list_files : list the files that a path stands for.

Containers
    Data : rows or images with column names, column types, labels and files.
    Stream : batches of data that are read when they are asked for.
    Partition : part of a stream that a worker can read independently.
    ColumnTypes : types of columns, by name or in order.
    ColumnRoles, ColumnSelection : columns to leave out, to carry to the output, and to score.
    CsvOptions, CsvDialect : delimiter, decimal mark, header and encoding of CSV files.

Conversion and selection
    as_data : convert an object in memory.
    as_stream : split data in memory into batches.
    take_rows : select rows or images by position.
    sample : draw a random sample of a stream.
    SampleLimits : limits of such a sample.

Checks
    check_data : check shapes and numbers before fitting or scoring.
    column_names_message : describe column names that differ from those at fit time.
    MIN_IMAGE_SIDE, MAX_IMAGE_SIDE : sizes of images that detectors take, in pixels.
"""

from egbad.data.column_roles import ColumnRoles, ColumnSelection
from egbad.data.column_types import ColumnTypes
from egbad.data.conversion import as_data
from egbad.data.csv_options import CsvDialect, CsvOptions
from egbad.data.options import BatchSizes
from egbad.data.readers import list_files, open_stream, read
from egbad.data.sampling import SampleLimits, sample
from egbad.data.stream import MAX_IMAGE_SIDE, MIN_IMAGE_SIDE, Data, Partition, Stream, as_stream, take_rows
from egbad.data.validation import check_data, column_names_message

__all__ = [
    "MAX_IMAGE_SIDE",
    "MIN_IMAGE_SIDE",
    "BatchSizes",
    "ColumnRoles",
    "ColumnSelection",
    "ColumnTypes",
    "CsvDialect",
    "CsvOptions",
    "Data",
    "Partition",
    "SampleLimits",
    "Stream",
    "as_data",
    "as_stream",
    "check_data",
    "column_names_message",
    "list_files",
    "open_stream",
    "read",
    "sample",
    "take_rows",
]
