"""Parquet files and their partitions."""

import functools
import operator
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egbad.data.column_roles import ColumnRoles, ColumnSelection
from egbad.data.options import BatchSizes, ReadOptions
from egbad.data.parquet_files import partition_parquet, read_parquet
from egbad.data.tables import read_tables
from egbad.errors import EgbadError, InvalidInputError, UnreadableFileError


@given(
    file_rows=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    group_rows=st.integers(1, 17),
    batch_rows=st.integers(1, 12),
    per_partition=st.integers(1, 5),
)
@settings(max_examples=30, deadline=None)
def test_partitions_have_all_rows_for_any_files_and_batch_sizes(
    tmp_path_factory, file_rows, group_rows, batch_rows, per_partition
):
    folder = tmp_path_factory.mktemp("partitions")
    paths = [folder / f"{i}.parquet" for i in range(len(file_rows))]
    for i, (path, n) in enumerate(zip(paths, file_rows, strict=True)):
        table = {"a": np.arange(n) + 100.0 * i, "b": [f"level {j % 3}" for j in range(n)]}
        pq.write_table(pa.table(table), path, row_group_size=group_rows)
    options = ReadOptions(batch_sizes=BatchSizes(rows=batch_rows, per_partition=per_partition))
    partitions = pickle.loads(pickle.dumps(partition_parquet(paths, options)))
    parts = [[*partition.read()] for partition in partitions]
    assert np.array_equal(np.concatenate([data.x for part in parts for data in part]), read_tables(paths, options).x)
    assert [sum(len(data.x) for data in part) for part in parts] == [partition.n_rows for partition in partitions]
    assert all(len(part) <= per_partition and all(len(data.x) <= batch_rows for data in part) for part in parts)
    rows = [(data.source, data.first_row + i) for part in parts for data in part for i in range(len(data.x))]
    several = len(file_rows) > 1
    assert rows == [
        (str(path) if several else None, j) for path, n in zip(paths, file_rows, strict=True) for j in range(n)
    ]


def test_a_table_is_read_with_its_labels(tmp_path):
    pq.write_table(pa.table({"a": [1.0, 2.0], "y": [0, 1]}), tmp_path / "t.parquet")
    data = read_parquet(tmp_path / "t.parquet", ReadOptions("y"))
    assert data.x.tolist() == [[1], [2]] and data.labels.tolist() == [0, 1]


def test_an_unsupported_type_is_named(tmp_path):
    pq.write_table(pa.table({"a": [1.0], "pair": [[1.0, 2.0]]}), tmp_path / "t.parquet")
    with pytest.raises(InvalidInputError, match="got 'pair' of type list"):
        read_parquet(tmp_path / "t.parquet", ReadOptions())


def test_a_truncated_or_empty_file_is_refused_before_anything_is_read(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": np.arange(1000.0)}), path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UnreadableFileError, match=r"cannot be read as \.parquet"):
        partition_parquet([path], ReadOptions())
    pq.write_table(pa.table({"a": np.empty(0)}), path)
    for read in (lambda: partition_parquet([path], ReadOptions()), lambda: read_parquet(path, ReadOptions())):
        with pytest.raises(InvalidInputError, match="at least one row"):
            read()


def _varint(value):
    """Return a whole number as the footer encodes it."""
    value = (value << 1 ^ value >> 63) % 2**64
    content = b""
    while value >= 128:
        content, value = content + bytes([value % 128 | 128]), value >> 7
    return content + bytes([value])


def with_row_counts(content, old, new, places):
    """Return a file whose footer has another number of rows at some of the places where it stands."""
    length = int.from_bytes(content[-8:-4], "little")
    first, *parts = content[-8 - length : -8].split(_varint(old))
    n = len(parts)
    places = [place % n for place in places]
    footer = first + b"".join(_varint(new if i in places else old) + part for i, part in enumerate(parts))
    return content[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


N = 7777
FILE, GROUP, FIRST_COLUMN = 0, -1, 1  # places of the number of rows


@pytest.fixture(scope="module")
def parquet_content():
    table = pa.table({"a": np.random.default_rng(0).normal(size=N), "b": np.arange(N) % 3})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, write_statistics=False)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("new", [-1, 0, 5, N + 1, 2**31, 2**40, 2**62])
@pytest.mark.parametrize("places", [(FILE,), (GROUP,), (FIRST_COLUMN,), (FILE, GROUP), range(9)])
def test_contradictory_numbers_of_rows_are_refused_at_once(parquet_content, tmp_path, new, places):
    path = tmp_path / "t.parquet"
    path.write_bytes(with_row_counts(parquet_content, N, new, places))
    if len(places) > 2 and new in (0, 5):
        return  # all counts agree
    for read in (lambda: partition_parquet([path], ReadOptions()), lambda: read_parquet(path, ReadOptions())):
        with pytest.raises(EgbadError, match="must give one number of rows|cannot be read as") as error:
            [[*partition.read()] for partition in read()]
        assert len(str(error.value).splitlines()) == 1


def test_counts_beyond_the_data_are_refused_when_the_data_end(parquet_content, tmp_path):
    path = tmp_path / "t.parquet"
    path.write_bytes(with_row_counts(parquet_content, N, N + 1000, range(9)))
    with pytest.raises(UnreadableFileError, match="got 8,777 in the footer and 7,777 in the data"):
        read_parquet(path, ReadOptions())
    options = ReadOptions(batch_sizes=BatchSizes(rows=2000, per_partition=2))
    partitions = partition_parquet([path], options)
    assert [len(data.x) for data in partitions[0].read()] == [2000, 2000]
    with pytest.raises(UnreadableFileError, match="got 8,777 in the footer and 7,777 in a row group"):
        [*partitions[-1].read()]


@pytest.mark.parametrize("name", ["t.parquet", "days/day=3/t.parquet"])
def test_only_columns_that_are_needed_are_read(name, tmp_path, monkeypatch):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(
        {"x": ["?"] * 4, "b.c": [1.0, 2.0, 3.0, 4.0], "key": list("uvwx"), "a": 0.5, "a.z": 7.0, "y": 1}
    )
    frame.to_parquet(path)
    features = ("a", "b.c") if name == "t.parquet" else ("a", "day", "b.c")
    columns = ColumnSelection(ColumnRoles(ids=("key",), ignored=("y",)), features=features)
    options = ReadOptions(columns=columns, batch_sizes=BatchSizes(rows=3))
    read = []
    for target in ("read_table", "ParquetFile.iter_batches"):
        monkeypatch.setattr(f"pyarrow.parquet.{target}", _recording(operator.attrgetter(target)(pq), read))
    whole, parts = read_parquet(path, options), [b for p in partition_parquet([path], options) for b in p.read()]
    assert read == [["b.c", "key", "a"]] * 2
    assert whole.columns == features and whole.carried["key"].to_pylist() == list("uvwx")
    assert np.array_equal(np.concatenate([batch.x for batch in parts]), whole.x)
    assert whole.x[:, features.index("b.c")].tolist() == [1.0, 2.0, 3.0, 4.0]


def _recording(function, read):
    @functools.wraps(function)
    def call(*arguments, columns=None, **options):
        read.append(columns)
        return function(*arguments, columns=columns, **options)

    return call


def test_names_of_columns_that_are_not_utf8_are_refused(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"column": [1.0, 2.0]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"column", b"c\xeblumn"))
    for read in (lambda: partition_parquet([path], ReadOptions()), lambda: read_parquet(path, ReadOptions())):
        with pytest.raises(UnreadableFileError, match="cannot be read as .parquet: 'utf-8' codec"):
            read()
