"""Types of the columns of tables in many files."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from egbad.data.options import ReadOptions
from egbad.data.tables import find_tables, read_tables, stream_tables
from egbad.errors import InvalidInputError

TIMES = pa.array([1_700_000_000, 1_700_000_060], pa.timestamp("s"))


def write(path, **columns):
    pa.parquet.write_table(pa.table(columns), path)


@pytest.mark.parametrize(("column", "column_type"), [(pa.array(["x", "y"]), "category"), (TIMES, "time")])
@pytest.mark.parametrize("empty", [pa.nulls(2), pa.nulls(2, pa.float64())])
@pytest.mark.parametrize("names", ["12", "21"])
def test_a_column_has_the_type_of_the_files_in_which_it_has_values(tmp_path, column, column_type, empty, names):
    for name, values in zip(names, (empty, column), strict=True):
        write(tmp_path / f"{name}.parquet", a=[1.0, 2.0], c=values)
    paths = find_tables(tmp_path)
    assert read_tables(paths, ReadOptions()).column_types == ("number", column_type)
    batches = [*stream_tables(paths, ReadOptions()).batches]
    assert [batch.column_types for batch in batches] == [("number", column_type)] * 2


@pytest.mark.parametrize("names", ["123", "231", "312"])
def test_files_without_rows_are_left_out(tmp_path, names):
    write(tmp_path / f"{names[0]}.parquet", a=[1.0, 2.0])
    write(tmp_path / f"{names[1]}.parquet", a=pa.array([], pa.float64()))
    write(tmp_path / f"{names[2]}.parquet", a=[3.0])
    paths = find_tables(tmp_path)
    batches = [*stream_tables(paths, ReadOptions()).batches]
    for x in (read_tables(paths, ReadOptions()).x, np.concatenate([batch.x for batch in batches])):
        assert sorted(x.ravel().tolist()) == [1.0, 2.0, 3.0]


def test_csv_files_without_rows_are_left_out(tmp_path):
    for name, content in {"1.csv": "", "2.csv": "a,b\n", "3.csv": "a,b\n1,x\n", "4.csv": "a,b\n,y\n"}.items():
        (tmp_path / name).write_text(content)
    data = read_tables(find_tables(tmp_path), ReadOptions())
    assert data.column_types == ("number", "category") and len(data.x) == 2
    for name in ("3.csv", "4.csv"):
        (tmp_path / name).write_text("a,b\n")
    with pytest.raises(InvalidInputError, match=r"'.*1.csv' must have at least one row"):
        read_tables(find_tables(tmp_path), ReadOptions())


def test_types_of_csv_files_follow_from_all_files(tmp_path):
    (tmp_path / "1.csv").write_text("a,b,c\n,1,true\n,2,false\n")
    (tmp_path / "2.csv").write_text("a,b,c\nx,2.5,3\ny,3,4\n")
    data = read_tables(find_tables(tmp_path), ReadOptions())
    assert data.column_types == ("category", "number", "number") and data.x[:, 2].tolist() == [1, 0, 3, 4]


def test_files_of_different_types_are_refused(tmp_path):
    (tmp_path / "1.csv").write_text("a\n1\n2\n")
    (tmp_path / "2.csv").write_text("a\nx\ny\n")
    message = "Column 'a' must have the same type in all files, got numbers in '.*1.csv' and categories in '.*2.csv'"
    with pytest.raises(InvalidInputError, match=message):
        stream_tables(find_tables(tmp_path), ReadOptions())


def test_the_first_file_tells_the_dialect_where_another_leaves_room_for_doubt(tmp_path):
    (tmp_path / "1.csv").write_text("a;b\n1,5;x\n2,25;y\n")
    (tmp_path / "2.csv").write_text("a;b\n1,234;x\n")
    data = read_tables(find_tables(tmp_path), ReadOptions())
    assert data.x[:, 0].tolist() == [1.5, 2.25, 1.234] and data.dialect.decimal == ","
