"""A path or an object -> rows or images as numbers, with the names and kinds of columns that came with them.

Read are `.npz`, `.npy`, `.csv` and `.parquet` files, folders of tables and of images; and in memory NumPy arrays, pandas
and polars frames, Arrow tables and whatever else speaks Arrow's stream interface.
"""

from egbad.sources.data import (
    MAX_SIDE,
    MIN_SIDE,
    Data,
    Kinds,
    Piece,
    Stream,
    as_data,
    check_numbers,
    in_batches,
    names_message,
    part_of,
)
from egbad.sources.files import Options, read, stream
from egbad.sources.sampling import sample

__all__ = [
    "MAX_SIDE",
    "MIN_SIDE",
    "Data",
    "Kinds",
    "Options",
    "Piece",
    "Stream",
    "as_data",
    "check_numbers",
    "in_batches",
    "names_message",
    "part_of",
    "read",
    "sample",
    "stream",
]
