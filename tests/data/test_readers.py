"""Reading of paths of every format."""

import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from egbad.data import BatchSizes, list_files, open_stream, read
from egbad.data.column_types import category_code
from egbad.errors import InvalidInputError, UnreadableFileError


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_are_read_with_their_column_names(tmp_path, frame, numbers, suffix):
    path = tmp_path / f"table{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    data = read(path)
    assert data.columns == ("a", "b", "ok")
    assert np.array_equal(data.x, numbers, equal_nan=True)


def test_a_label_column_is_left_out(tmp_path, frame):
    path = tmp_path / "table.csv"
    frame.assign(y=["fine", "bad", "fine"]).to_csv(path, index=False)
    data = read(path, label_column="y")
    assert data.columns == ("a", "b", "ok")
    assert data.labels.tolist() == ["fine", "bad", "fine"]
    with pytest.raises(InvalidInputError, match="no label column 'Y'. Did you mean 'y'"):
        read(path, label_column="Y")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_of_files_have_types(tmp_path, suffix):
    frame = pd.DataFrame({"a": [1.0, None], "city": ["Oslo", "Bergen"], "day": pd.to_datetime(["2024-01-01", None])})
    path = tmp_path / f"table{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else pq.write_table(pa.Table.from_pandas(frame), path)
    data = read(path)
    assert data.column_types == ("number", "category", "time")
    assert data.x[0, 1] == category_code("Oslo")
    assert data.category_labels == {1: {category_code(city): city for city in ("Oslo", "Bergen")}}
    assert data.x[0, 2] == 1_704_067_200 and np.isnan(data.x[1, [0, 2]]).all()


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".csv", ".parquet"])
def test_an_empty_or_damaged_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    path.write_bytes(b"")
    with pytest.raises(InvalidInputError, match=r"at least one row|cannot be read"):
        read(path)
    path.write_bytes(b"PK\x03\x04\xff\xfe no such thing\x00" * 3)
    with pytest.raises(InvalidInputError, match=r"cannot be read as|Columns must hold numbers|at least one row"):
        read(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_batches_have_the_rows_that_read_returns(tmp_path, suffix):
    x = np.random.default_rng(0).normal(size=(1000, 3)).round(3)
    labels = np.arange(1000) % 2
    path = tmp_path / f"t{suffix}"
    table = pa.table(dict(zip("abc", x.T, strict=True)) | {"y": labels})
    if suffix == ".csv":
        pa.csv.write_csv(table, path)
    elif suffix == ".parquet":
        pq.write_table(table, path, row_group_size=300)
    else:
        np.savez(path, X=x, y=labels)
    stream = open_stream(path, label_column="y", batch_sizes=BatchSizes(rows=128, csv_bytes=4096))
    whole = read(path, label_column="y")
    batches = [*stream.batches]
    assert len(batches) > 2
    assert stream.n_rows in (None, 1000)
    assert (np.concatenate([batch.x for batch in batches]) == whole.x).all()
    assert (np.concatenate([batch.labels for batch in batches]) == whole.labels).all()
    assert {batch.columns for batch in batches} == {whole.columns}
    assert [batch.first_row for batch in batches] == np.cumsum([0, *(len(b.x) for b in batches[:-1])]).tolist()


@pytest.mark.parametrize("act", [read, open_stream, list_files])
def test_missing_files_and_folders_without_data_are_refused(tmp_path, act):
    for name in ("nowhere.csv", "*.parquet"):
        with pytest.raises(UnreadableFileError, match="There is no file or folder"):
            act(tmp_path / name)


@pytest.mark.parametrize("act", [read, open_stream])
def test_other_formats_are_refused_with_the_known_ones(tmp_path, act):
    (tmp_path / "table.xls").write_bytes(b"")
    with pytest.raises(UnreadableFileError, match=r"must end in .npz, .npy, .csv, .tsv, .parquet, or be a folder"):
        act(tmp_path / "table.xls")
    with pytest.raises(InvalidInputError, match=r"must hold tables \(.csv, .*\) or images \(.png, .*\), got none"):
        act(tmp_path)


def test_a_folder_of_images_with_a_table_beside_them_holds_images(tmp_path, save_image):
    save_image("a.png", np.zeros((8, 8), dtype=np.uint8))
    (tmp_path / "about.csv").write_text("file,size\na.png,8\n")
    assert read(tmp_path).x.shape == (1, 8, 8)


def test_images_come_from_a_list_a_pattern_or_one_file(tmp_path, save_image):
    for name, grey in (("a/1.png", 10), ("a/2.png", 20), ("b/3.png", 30)):
        save_image(name, np.full((9, 8), grey, dtype=np.uint8))
    (tmp_path / "a" / "labels.csv").write_text("x\n1\n")
    listed = read([tmp_path / "b" / "3.png", str(tmp_path / "a" / "1.png")])
    assert listed.x[:, 0, 0].tolist() == [30, 10] and listed.files == ("b/3.png", "a/1.png")
    pattern = read(tmp_path / "*" / "*.png")
    assert pattern.x[:, 0, 0].tolist() == [10, 20, 30] and pattern.files == ("a/1.png", "a/2.png", "b/3.png")
    assert read(tmp_path / "a" / "2.png").files == ("2.png",)
    assert [batch.x.shape for batch in open_stream([tmp_path / "a" / "2.png"]).batches] == [(1, 9, 8)]
    assert read(tmp_path / "*" / "*.png", label_column="folder").labels.tolist() == ["a", "a", "b"]


def test_a_list_of_other_files_is_refused(tmp_path):
    for paths in ([tmp_path / "1.png", tmp_path / "labels.csv"], []):
        with pytest.raises(InvalidInputError, match="A list of paths must be of images"):
            read(paths)


def test_the_files_of_a_path_are_listed(tmp_path, save_image):
    image = save_image("photos/a.png", np.zeros((8, 8), dtype=np.uint8))
    (tmp_path / "t.csv").write_text("x\n1\n")
    np.save(tmp_path / "t.npy", np.zeros((2, 2)))
    assert list_files(tmp_path) == [image, tmp_path / "t.csv", tmp_path / "t.npy"]
    assert list_files(tmp_path / "photos" / "*.png") == [image]
    assert list_files(tmp_path / "*.csv") == [tmp_path / "t.csv"] and list_files(tmp_path / "t.npy") == [
        tmp_path / "t.npy"
    ]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npy"])
def test_names_of_tables_may_hold_bytes_that_are_no_utf_8(tmp_path, suffix):
    folder = tmp_path / os.fsdecode(b"day=\xe9")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system allows UTF-8 only")
    table, names = pa.table({"a": [1.0, 2.0]}), (os.fsdecode(b"1\xe9"), os.fsdecode(b"2\xe9"))
    for name in names:
        with (folder / f"{name}{suffix}").open("wb") as file:
            if suffix == ".npy":
                np.save(file, np.ones((2, 1)))
            else:
                (pa.csv.write_csv if suffix == ".csv" else pq.write_table)(table, file)
    path = folder / f"{names[0]}{suffix}"
    assert len(read(path).x) == sum(len(batch.x) for batch in open_stream(path).batches) == 2
    if suffix != ".npy":
        assert read(folder).category_labels[1].popitem()[1] == "\\xe9"
        sources = {batch.source for batch in open_stream(folder).batches}
        assert sources == {os.path.join(str(tmp_path), "day=\\xe9", f"{i}\\xe9{suffix}") for i in (1, 2)}
