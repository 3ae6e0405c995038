"""Options of reading files."""

from dataclasses import dataclass, replace

from egbad.data.column_roles import ALL_COLUMNS, ColumnRoles, ColumnSelection, split_roles
from egbad.data.column_types import ColumnTypes
from egbad.data.csv_options import DEFAULT_CSV_OPTIONS, CsvOptions


@dataclass(frozen=True)
class BatchSizes:
    """Sizes of batches, of partitions and of the tasks of workers.

    The defaults suit almost all data. Smaller batches need less memory.

    Attributes
    ----------
    rows : int
        Rows of a batch of a table.
    images : int
        Images of a batch.
    image_pixels : int
        Maximal pixels of a batch of images; large images come in smaller batches.
    csv_bytes : int
        Bytes of a batch of a CSV file.
    per_partition : int
        Batches of a partition. By default a partition has about a million rows.
    task_pixels : int
        Pixels that a worker decodes in one task, by default about 50 milliseconds of work.
    process_pixels : int
        Pixels above which images are decoded by processes instead of threads, by default about 3 seconds of work.
    """

    rows: int = 16_384
    images: int = 1_024
    image_pixels: int = 2**28
    csv_bytes: int = 2**24
    per_partition: int = 64
    task_pixels: int = 2**21
    process_pixels: int = 2**27


DEFAULT_BATCH_SIZES = BatchSizes()


@dataclass(frozen=True)
class ReadOptions:
    """Options of `egbad.data.read` and `egbad.data.open_stream`, which describe them.

    Attributes
    ----------
    label_column : str, optional
    column_types : mapping or sequence of str, optional
        Without the roles that are given with them: those are moved to `columns`.
    image_size : (int, int), optional
    colour : bool, optional
    patch_size : int, optional
    enough_side : int, optional
    lazy : bool
    small_side : int
    skip_unreadable : bool
    batch_sizes : BatchSizes
    csv : CsvOptions
    columns : ColumnSelection
        With the roles that `label_column` and `column_types` give.
    """

    label_column: str | None = None
    column_types: ColumnTypes | None = None
    image_size: tuple[int, int] | None = None
    colour: bool | None = None
    patch_size: int | None = None
    skip_unreadable: bool = False
    batch_sizes: BatchSizes = DEFAULT_BATCH_SIZES
    csv: CsvOptions = DEFAULT_CSV_OPTIONS
    columns: ColumnSelection = ALL_COLUMNS
    enough_side: int | None = None
    lazy: bool = False
    small_side: int = 0

    @property
    def keeps_sizes(self) -> bool:
        """True if images keep their sizes unless `image_size` is given."""
        return self.lazy or self.patch_size is not None or self.enough_side is not None

    def __post_init__(self) -> None:
        """Move all roles to `columns`."""
        types, roles = split_roles(self.column_types)
        roles, required = roles.updated(self.columns.roles), self.columns.required
        if self.label_column is not None:
            roles = roles.updated(ColumnRoles(label=self.label_column))
            required = (*dict.fromkeys((*required, self.label_column)),)
        object.__setattr__(self, "column_types", types)
        object.__setattr__(self, "columns", replace(self.columns, roles=roles, required=required))
