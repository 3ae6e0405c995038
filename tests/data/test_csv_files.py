"""CSV files."""

import gzip

import numpy as np
import pytest

from egbad.data.csv_options import CsvOptions
from egbad.data.options import BatchSizes, ReadOptions
from egbad.data.tables import read_tables, stream_tables
from egbad.errors import InvalidInputError


def read(path, **options):
    return read_tables([path], ReadOptions(**options))


def test_batches_have_the_rows_of_the_whole_file(tmp_path):
    x = np.random.default_rng(0).normal(size=(1000, 2)).round(3)
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "".join(f"{a},{b},{i % 2}\n" for i, (a, b) in enumerate(x)))
    options = ReadOptions("y", batch_sizes=BatchSizes(csv_bytes=4096))
    stream, whole = stream_tables([path], options), read_tables([path], options)
    batches = [*stream.batches]
    assert len(batches) > 2 and stream.n_rows is None and stream.partitions is None
    assert np.array_equal(np.concatenate([batch.x for batch in batches]), whole.x)
    assert np.array_equal(np.concatenate([batch.labels for batch in batches]), whole.labels)
    assert [batch.first_row for batch in batches] == np.cumsum([0, *(len(b.x) for b in batches[:-1])]).tolist()


def test_a_column_of_integers_in_the_first_batch_may_have_fractions_later(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,\n" * 200 + "2.5,7\n")
    batches = [*stream_tables([path], ReadOptions(batch_sizes=BatchSizes(csv_bytes=256))).batches]
    x = np.concatenate([batch.x for batch in batches])
    assert len(batches) > 2 and x[-1].tolist() == [2.5, 7.0]
    assert x[0, 0] == 1 and np.isnan(x[0, 1])


def test_categories_keep_the_text_of_the_file_and_empty_fields_are_missing(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('zip,name\n007,a\n,""\n10.50,\n')
    data = read(path, column_types={"zip": "category"})
    assert {*data.category_labels[0].values()} == {"007", "10.50"} and np.isnan(data.x[1, 0])
    assert {*data.category_labels[1].values()} == {"a", ""} and np.isnan(data.x[2, 1])


@pytest.mark.parametrize("content", ["", "a,b\n"])
def test_a_file_without_rows_is_refused(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(InvalidInputError, match="at least one row"):
        read(path)
    with pytest.raises(InvalidInputError, match="at least one row"):
        list(stream_tables([path], ReadOptions()).batches)


def test_text_that_means_nothing_elsewhere_is_a_level(tmp_path):
    path = tmp_path / "t.csv"
    levels = ["NA", "null", "NULL", "nan", "NaN", "n/a", "N/A", "#N/A", "-nan", "None", "-", "?"]
    path.write_text("v,word\n" + "".join(f"{i},{level}\n" for i, level in enumerate([*levels, "x", ""])))
    data = read(path)
    assert {*data.category_labels[1].values()} == {*levels, "x"} and np.flatnonzero(
        np.isnan(data.x[:, 1])
    ).tolist() == [13]


def test_times_do_not_depend_on_the_first_batch(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("t\n" + "2024-01-01\n" * 200 + "2024-01-01T10:00:00.5\n")
    for types in (None, {"t": "time"}):
        options = ReadOptions(column_types=types, batch_sizes=BatchSizes(csv_bytes=256))
        *_, last = stream_tables([path], options).batches
        assert last.x[-1, 0] - last.x[0, 0] == 36_000.5 and last.column_types == ("time",)


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("a;b;c\n1.234,5;x;NA\n-;y;2,5\n", "delimiter semicolon, decimal comma"),
        ("# made\na\tb\tc\n$1,234.50\tx\t\n?\ty\t2.5\n", "delimiter tab, comments after '#'"),
        ("a,b,c\n1234.5,x,\n,y,250%\n".encode("utf-16"), "encoding utf-16"),
        (gzip.compress(b"a,b,c\n1234.5,x,null\n,y,2.5\n", mtime=0), None),
    ],
)
def test_dialects_are_found_and_told(tmp_path, content, note):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    data = read(path)
    assert np.array_equal(data.x[:, ::2], [[1234.5, np.nan], [np.nan, 2.5]], equal_nan=True)
    assert data.columns == ("a", "b", "c") and [*data.category_labels[1].values()] == ["x", "y"]
    assert data.notes[:1] == ((f"Reading '{path}' with {note}.",) if note else ())


def test_unusual_marks_of_missing_values_are_told(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "1\n" * 9 + "?\n")
    assert read(path).notes == (f"Reading '?' in '{path}' as missing values.",)


def test_bytes_that_are_no_utf8_may_come_late(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n" + b"x,1\n" * 100_000 + "Müller,2\nMöller,3\n".encode("latin-1"))
    data = read(path)
    assert data.dialect.encoding == "cp1252" and {*data.category_labels[0].values()} == {"x", "Müller", "Möller"}


def test_a_column_of_a_required_type_names_its_first_odd_cell(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 100 + "1,1O5\n")
    options = ReadOptions(column_types={"a": "number", "b": "number"}, batch_sizes=BatchSizes(csv_bytes=64))
    with pytest.raises(InvalidInputError, match="Column 'b' of '.*' must hold numbers, got '1O5' in row 100"):
        list(stream_tables([path], options).batches)
    data = read(path, column_types={"a": "number"}, csv=CsvOptions(missing=["1O5"]))
    assert np.isnan(data.x[-1, 1]) and data.dialect.missing == ("1O5",)


def test_columns_without_a_type_can_be_read_as_text(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,note,y\n" + "1,7,0\n" * 20 + "2,odd,1\n")
    data = read(path, label_column="y", column_types={"a": "number"}, csv=CsvOptions(infer_types=False))
    assert data.column_types == ("number", "category") and data.labels.tolist() == [0] * 20 + [1]


def test_whole_labels_are_integers(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,y\n1,0\n2,1\n")
    assert read(path, label_column="y").labels.dtype.kind == "i"


def test_types_in_order_belong_to_the_columns_without_the_label(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("y,a,b\nok,1,2\nbad,3,4\n")
    data = read(path, label_column="y", column_types=("number", "category"))
    assert data.column_types == ("number", "category") and data.labels.tolist() == ["ok", "bad"]
