"""A path or an object -> rows or images as numbers, with the names and kinds of columns that came with them.

Read are `.npz`, `.npy`, `.csv` and `.parquet` files, folders of tables and of images; and in memory NumPy arrays, pandas
and polars frames, Arrow tables and whatever else speaks Arrow's stream interface.
"""

from egbad.data.conversion import as_data
from egbad.data.readers import Options, open_stream, read
from egbad.data.sampling import sample
from egbad.data.stream import MAX_IMAGE_SIDE, MIN_IMAGE_SIDE, ColumnTypes, Data, Partition, Stream, as_stream, take_rows
from egbad.data.validation import check_data, column_names_message

__all__ = [
    "MAX_IMAGE_SIDE",
    "MIN_IMAGE_SIDE",
    "ColumnTypes",
    "Data",
    "Options",
    "Partition",
    "Stream",
    "as_data",
    "as_stream",
    "check_data",
    "column_names_message",
    "open_stream",
    "read",
    "sample",
    "take_rows",
]
