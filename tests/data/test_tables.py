"""Tables in one or many files."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from egbad.data.conversion import as_data
from egbad.data.options import BatchSizes, ReadOptions
from egbad.data.tables import find_tables, read_tables, stream_tables
from egbad.data.validation import check_data
from egbad.errors import InvalidInputError, UnreadableFileError


@pytest.mark.parametrize("pattern", ["", "*/*.parquet", "**/*.parquet"])
def test_tables_of_a_folder_are_one_table(tmp_path, day_tables, pattern):
    expected = as_data(day_tables)
    paths = find_tables(tmp_path / pattern)
    data, stream = read_tables(paths, ReadOptions()), stream_tables(paths, ReadOptions())
    assert data.columns == ("a", "city", "day") and data.column_types == ("number", "category", "category")
    assert np.array_equal(data.x, expected.x) and data.category_labels == expected.category_labels
    batches = [*stream.batches]
    assert np.array_equal(np.concatenate([batch.x for batch in batches]), expected.x)
    assert [batch.first_row for batch in batches] == [0, 0, 0] and stream.n_rows == 15
    assert batches[1].source.endswith("day=1/part.parquet")


def test_hidden_files_and_other_files_are_no_tables(tmp_path):
    for name in ("a.csv", "_b.csv", ".c.csv", "d.txt", "_e/f.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x\n1\n")
    assert find_tables(tmp_path) == (tmp_path / "a.csv",)
    assert find_tables(tmp_path / "d.txt") is None and find_tables(tmp_path / "*.txt") is None


def test_files_of_both_formats_are_one_stream(tmp_path):
    frame = pd.DataFrame({"a": np.arange(6.0), "y": np.arange(6)})
    frame[:3].to_csv(tmp_path / "1.csv", index=False)
    frame[3:].to_parquet(tmp_path / "2.parquet", index=False)
    paths = find_tables(tmp_path)
    stream = stream_tables(paths, ReadOptions("y"))
    batches = [*stream.batches]
    assert stream.n_rows is None and stream.partitions is None
    assert [batch.source for batch in batches] == [str(path) for path in paths]
    assert np.concatenate([batch.labels for batch in batches]).tolist() == [*range(6)]
    assert read_tables(paths, ReadOptions("y")).labels.tolist() == [*range(6)]


@pytest.mark.usefixtures("day_tables")
@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"a": [1.0], "town": ["x"]}, "got '.*day=0.*' and '.*day=2.*': 'city' is in one of them only"),
        ({"a": ["x"], "city": ["y"]}, "Column 'a' must have the same type in all files, got numbers in '.*day=0"),
    ],
)
def test_tables_of_a_folder_must_have_the_same_columns(tmp_path, frame, message):
    pd.DataFrame(frame).to_parquet(tmp_path / "day=2" / "part.parquet")
    paths = find_tables(tmp_path)
    with pytest.raises(InvalidInputError, match=message):
        read_tables(paths, ReadOptions())
    with pytest.raises(InvalidInputError, match=message):
        list(stream_tables(paths, ReadOptions()).batches)


@pytest.mark.parametrize(
    "write", [pd.DataFrame.to_parquet, partial(pd.DataFrame.to_csv, index=False)], ids=["Parquet", "CSV"]
)
def test_columns_of_several_files_are_matched_by_name(tmp_path, write):
    write(pd.DataFrame({"a": [1.0], "city": ["x"]}), tmp_path / "1.csv")
    write(pd.DataFrame({"city": ["x"], "a": [2.0]}), tmp_path / "2.csv")
    for path in tmp_path.iterdir():
        path.rename(path.with_suffix(".parquet" if write is pd.DataFrame.to_parquet else ".csv"))
    paths = find_tables(tmp_path)
    data, batches = read_tables(paths, ReadOptions()), [*stream_tables(paths, ReadOptions()).batches]
    assert data.columns == ("a", "city") and data.x[:, 0].tolist() == [1.0, 2.0] and len({*data.x[:, 1]}) == 1
    assert np.array_equal(np.concatenate([batch.x for batch in batches]), data.x)


@pytest.mark.usefixtures("day_tables")
@pytest.mark.parametrize("read", [read_tables, stream_tables])
def test_a_damaged_file_of_a_folder_is_named(tmp_path, read):
    damaged = tmp_path / "day=2" / "part.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with pytest.raises(UnreadableFileError, match=r"day=2.*cannot be read as .parquet"):
        read(find_tables(tmp_path), ReadOptions())


def test_a_column_without_values_in_one_file_has_the_type_of_the_others(tmp_path):
    pd.DataFrame({"a": [1.0], "city": ["x"]}).to_parquet(tmp_path / "1.parquet")
    pd.DataFrame({"a": [1.0], "city": [np.nan]}).to_parquet(tmp_path / "2.parquet")
    assert read_tables(find_tables(tmp_path), ReadOptions()).column_types == ("number", "category")


@pytest.mark.usefixtures("day_tables")
def test_an_invalid_row_of_many_files_is_named_with_its_file(tmp_path):
    pd.DataFrame({"a": [1.0, np.inf], "city": ["x", "y"]}).to_parquet(tmp_path / "day=1" / "part.parquet")
    with pytest.raises(InvalidInputError, match=r"infinity in row 1, column 'a', of '.*day=1.*part.parquet'"):
        [check_data(batch) for batch in stream_tables(find_tables(tmp_path), ReadOptions()).batches]


def test_an_invalid_row_of_a_later_batch_is_named_by_its_place_in_the_file(tmp_path):
    x = np.zeros((950, 2))
    x[870, 1] = np.inf
    pd.DataFrame(x, columns=["a", "b"]).to_parquet(tmp_path / "t.parquet")
    stream = stream_tables([tmp_path / "t.parquet"], ReadOptions(batch_sizes=BatchSizes(rows=100)))
    with pytest.raises(InvalidInputError, match="infinity in row 870, column 'b'"):
        [check_data(batch) for batch in stream.batches]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files cannot be counted")
def test_files_are_opened_one_at_a_time(tmp_path):
    resource = pytest.importorskip("resource")
    for i in range(60):
        (tmp_path / f"{i:03}.csv").write_text(f"x\n{i}\n")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 30, limits[1]))
    try:
        n_rows = sum(len(batch.x) for batch in stream_tables(find_tables(tmp_path), ReadOptions()).batches)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert n_rows == 60
