"""A path or an object -> rows or images as numbers, with the names and kinds of columns that came with them.

Read are `.npz`, `.npy`, `.csv` and `.parquet` files, folders of tables and of images; and in memory NumPy arrays, pandas
and polars frames, Arrow tables and whatever else speaks Arrow's stream interface.
"""

from egbad.data.conversion import as_data
from egbad.data.readers import Options, open_stream, read
from egbad.data.sampling import sample
from egbad.data.stream import MAX_SIDE, MIN_SIDE, ColumnTypes, Data, Piece, Stream, in_batches, part_of
from egbad.data.validation import check_numbers, names_message

__all__ = [
    "MAX_SIDE",
    "MIN_SIDE",
    "ColumnTypes",
    "Data",
    "Options",
    "Piece",
    "Stream",
    "as_data",
    "check_numbers",
    "in_batches",
    "names_message",
    "open_stream",
    "part_of",
    "read",
    "sample",
]
