"""Types of the columns of tables in one or many files, before their rows are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from egbad.data.column_roles import ColumnSelection
from egbad.data.column_types import BOOLEAN, NUMBER, TYPE_DESCRIPTIONS
from egbad.data.conversion import from_table, without_index
from egbad.data.csv_files import find_csv_types, is_csv
from egbad.data.csv_options import CsvDialect
from egbad.data.file_errors import arrow_errors, arrow_path
from egbad.data.options import ReadOptions
from egbad.data.table_columns import folder_values
from egbad.errors import EmptyFileError, InvalidInputError, shorten


@dataclass(frozen=True)
class TableTypes:
    """Options to read all files with, and sentences about what was detected.

    Attributes
    ----------
    options : ReadOptions
        With the type of each column that has values, and the dialect of the first CSV file.
    notes : tuple of str
    """

    options: ReadOptions
    notes: tuple[str, ...] = ()


def find_table_types(paths: Sequence[Path], options: ReadOptions) -> TableTypes:
    """Find out the types of columns whose types are not given, from all files.

    A Parquet file states them. In a CSV file they follow from all of its rows. A column has the type of the files in which
    it has values.

    Parameters
    ----------
    paths : sequence of Path
    options : ReadOptions

    Returns
    -------
    TableTypes

    Raises
    ------
    InvalidInputError
        If a column has different types in different files, or a few values of a type that the others have not.
    UnreadableFileError
        If a file is damaged.
    """
    given = {*options.column_types} if isinstance(options.column_types, Mapping) else set[str]()
    has_csv = any(is_csv(path) for path in paths)
    types_known = len(paths) == 1 or (options.column_types is not None and not given)
    if not has_csv and types_known and options.columns.features is None:
        return TableTypes(options)
    found: dict[str, tuple[str, Path]] = {}
    dialect: CsvDialect | None = None
    notes: tuple[str, ...] = ()
    all_names: list[list[str]] = []
    for path in paths:
        own: Mapping[str, str | None]
        if is_csv(path):
            try:
                layout, types = find_csv_types(path, _with_dialect(options, dialect))
            except EmptyFileError:
                continue
            own = {layout.names[j]: column_type for j, column_type in types.types.items()}
            names = [*layout.names]
            notes = notes or _csv_notes(path, layout.dialect, types.marks, options.csv.like)
            dialect = dialect or layout.dialect
        else:
            names, own = _parquet_types(path, options)
        all_names.append([*dict.fromkeys((*names, *folder_values(path)))])
        for name, column_type in own.items():
            if column_type is not None and name not in given:
                found[name] = _merge_types(name, found.get(name), (column_type, path))
    by_name = {name: column_type for name, (column_type, _) in found.items()}
    if isinstance(options.column_types, Mapping):
        by_name |= options.column_types
    notes += _selection_notes(options.columns, all_names)
    return TableTypes(_with_dialect(replace(options, column_types=by_name), dialect), notes)


def _with_dialect(options: ReadOptions, dialect: CsvDialect | None) -> ReadOptions:
    """Return options that assume a dialect where a file leaves room for doubt."""
    return options if dialect is None else replace(options, csv=replace(options.csv, like=dialect))


def _csv_notes(path: Path, dialect: CsvDialect, marks: Sequence[str], like: CsvDialect | None) -> tuple[str, ...]:
    """Return sentences about an unusual dialect and about cells that are read as missing values."""
    notes = []
    usual = "" if like is None or like.describe() == dialect.describe() else like.describe() or "the usual dialect"
    if found := dialect.describe():
        notes.append(f"Reading '{path}' with {found}{f' (training data: {usual})' if usual else ''}.")
    if marks:
        listed = ", ".join(f"'{mark}'" for mark in marks)
        notes.append(f"Reading {listed} in '{path}' as missing values.")
    return tuple(notes)


def _selection_notes(columns: ColumnSelection, names: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return sentences about columns of tables that are not used or have another order, given the names in each table."""
    unused = columns.describe_unused([*dict.fromkeys(name for own in names for name in own)])
    reordered = any(columns.is_reordered(own) for own in names)
    return (
        *filter(None, (unused, "The columns have another order than at fit: they are matched by name." * reordered)),
    )


def _parquet_types(path: Path, options: ReadOptions) -> tuple[list[str], dict[str, str | None]]:
    """Return the names of a Parquet file, and the type of each column to score, None if it has values of no type."""
    with arrow_errors(path), arrow_path(path) as source:
        schema = pa.parquet.read_schema(source)
    table = without_index(schema.empty_table(), (*options.columns.named, *(options.column_types or ())))
    scored = table.select([name for name in table.column_names if options.columns.may_score(name)])
    if not options.csv.infer_types:
        return table.column_names, {}
    types = from_table(scored, None).column_types or (NUMBER,) * scored.num_columns
    return table.column_names, {
        field.name: None if pa.types.is_null(field.type) else column_type
        for field, column_type in zip(scored.schema, types, strict=True)
    }


def _merge_types(name: str, first: tuple[str, Path] | None, other: tuple[str, Path]) -> tuple[str, Path]:
    """Return the type of a column that has one type in one file and one in another, and a file with that type."""
    if first is None or first[0] == other[0] or not _has_values(first[1], name):
        return first if first is not None and first[0] == other[0] else other
    if {first[0], other[0]} == {NUMBER, BOOLEAN}:
        return NUMBER, first[1]
    if not _has_values(other[1], name):
        return first
    raise InvalidInputError(
        f"Column '{shorten(name)}' must have the same type in all files, got {_describe(first[0])} in '{first[1]}' and "
        f"{_describe(other[0])} in '{other[1]}'."
    )


def _describe(column_type: str) -> str:
    return TYPE_DESCRIPTIONS[column_type.partition("[")[0]]


def _has_values(path: Path, name: str) -> bool:
    """Return False if the statistics of a Parquet file say that a column has no values."""
    if is_csv(path):
        return True
    with arrow_errors(path), arrow_path(path) as source:
        metadata = pa.parquet.read_metadata(source)
    j = metadata.schema.names.index(name) if name in metadata.schema.names else None
    for i in range(metadata.num_row_groups if j is not None else 0):
        statistics = metadata.row_group(i).column(j).statistics
        if statistics is None or statistics.null_count != metadata.row_group(i).num_rows:
            return True
    return j is None
