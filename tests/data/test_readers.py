"""Every kind of input, and one sentence for each that can't be read."""

import pickle
from contextlib import nullcontext

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import egbad.data
from egbad.data import as_data, open_stream, read, sample
from egbad.data import stream as memory
from egbad.data.column_types import category_code
from egbad.errors import InvalidInputError, InvalidTypeError, UnreadableFileError

FRAME = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, None, 2.5], "ok": [True, False, True]})
NUMBERS = np.array([[1, 0.5, 1], [2, np.nan, 0], [3, 2.5, 1]])


def save(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


# -- tables ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_are_read_with_their_names(tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    FRAME.to_csv(path, index=False) if suffix == ".csv" else FRAME.to_parquet(path)
    data = read(path)
    assert data.columns == ("a", "b", "ok")
    assert np.array_equal(data.x, NUMBERS, equal_nan=True)


@pytest.mark.parametrize("table", [FRAME, pl.from_pandas(FRAME), pa.Table.from_pandas(FRAME)])
def test_frames_are_read_with_their_names(table):
    data = as_data(table)
    assert data.columns == ("a", "b", "ok")
    assert np.array_equal(data.x, NUMBERS, equal_nan=True)


def test_a_label_column_is_set_apart(tmp_path):
    path = tmp_path / "table.csv"
    FRAME.assign(y=["fine", "bad", "fine"]).to_csv(path, index=False)
    data = read(path, label_column="y")
    assert data.columns == ("a", "b", "ok")
    assert data.labels.tolist() == ["fine", "bad", "fine"]
    with pytest.raises(InvalidInputError, match="no label column 'Y'. Did you mean 'y'"):
        read(path, label_column="Y")


def test_columns_have_kinds(tmp_path):
    frame = pd.DataFrame({"a": [1.0, None], "city": ["Oslo", "Bergen"], "day": pd.to_datetime(["2024-01-01", None])})
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "table.parquet")
    frame.to_csv(tmp_path / "table.csv", index=False)
    for data in (
        as_data(frame),
        read(tmp_path / "table.parquet"),
        read(tmp_path / "table.csv"),
        as_data(pa.table(frame)),
    ):
        assert data.column_types == ("number", "category", "time")
        assert data.x[0, 1] == category_code("Oslo") and data.category_labels == {
            1: {category_code(c): c for c in ("Oslo", "Bergen")}
        }
        assert data.x[0, 2] == 1_704_067_200 and np.isnan(data.x[1, [0, 2]]).all()


def test_a_type_without_a_kind_is_named(tmp_path):
    pq.write_table(pa.table({"a": [1.0], "pair": [[1.0, 2.0]]}), tmp_path / "table.parquet")
    with pytest.raises(InvalidInputError, match="got 'pair' of type list"):
        read(tmp_path / "table.parquet")
    with pytest.raises(InvalidInputError, match="Column 'b' must hold values of one kind"):
        as_data(pd.DataFrame({"a": [1.0, 2.0], "b": [1, "x"]}))


def test_arrays_are_read(tmp_path):
    np.save(tmp_path / "rows.npy", NUMBERS)
    np.savez(tmp_path / "rows.npz", X=NUMBERS, y=[0, 1, 0])
    assert np.array_equal(read(tmp_path / "rows.npy").x, NUMBERS, equal_nan=True)
    data = read(tmp_path / "rows.npz")
    assert data.labels.tolist() == [0, 1, 0]
    assert np.array_equal(data.x, NUMBERS, equal_nan=True)


def test_nothing_is_unpickled(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UnreadableFileError, match=r"'.*objects.npy' can't be read as .npy"):
        read(tmp_path / "objects.npy")


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".csv", ".parquet"])
def test_an_empty_or_damaged_file_is_one_sentence(tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    path.write_bytes(b"")
    with pytest.raises(InvalidInputError, match=r"at least one row|can't be read"):
        read(path)
    path.write_bytes(b"PK\x03\x04\xff\xfe no such thing\x00" * 3)
    with pytest.raises(InvalidInputError, match=r"can't be read as|Columns must be numbers|at least one row"):
        read(path)


def test_a_table_without_rows_is_empty(tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n")
    with pytest.raises(InvalidInputError, match="must have at least one row"):
        read(tmp_path / "table.csv")


def test_missing_and_unknown_files_are_told(tmp_path):
    with pytest.raises(UnreadableFileError, match="There is no file or folder"):
        read(tmp_path / "nowhere.csv")
    (tmp_path / "table.xls").write_bytes(b"")
    with pytest.raises(UnreadableFileError, match=r"end in .npz, .npy, .csv, .parquet, or are folders"):
        read(tmp_path / "table.xls")
    np.savez(tmp_path / "other.npz", z=NUMBERS)
    with pytest.raises(InvalidInputError, match="must have an array X, x or images, got z"):
        read(tmp_path / "other.npz")
    np.savez(tmp_path / "short.npz", X=NUMBERS, y=[0])
    with pytest.raises(InvalidInputError, match="one label per row, got 1 labels for 3 rows"):
        read(tmp_path / "short.npz")


# -- in memory ---------------------------------------------------------------------------------------------------------


def test_objects_that_are_numbers_are_numbers():
    assert as_data(np.array([[1, 2.5], [3, True]], dtype=object)).x.dtype == np.float64
    with pytest.raises(InvalidInputError, match="got text in row 1, column 0"):
        as_data(np.array([[1, 2], ["x", 3]], dtype=object))
    with pytest.raises(InvalidInputError, match="X must be numbers"):
        as_data(np.array([["x"]]))


def test_sparse_matrices_are_refused():
    from scipy.sparse import csr_matrix

    with pytest.raises(InvalidTypeError, match="got a sparse matrix. Convert it with X.toarray"):
        as_data(csr_matrix(np.eye(3)))


@pytest.mark.parametrize(
    ("shape", "expected"), [((5, 9, 8, 3), (5, 3, 9, 8)), ((5, 3, 9, 8), (5, 3, 9, 8)), ((5, 3, 9, 3), (5, 3, 9, 3))]
)
def test_channels_are_moved_where_there_is_no_doubt(shape, expected):
    assert as_data(np.zeros(shape)).x.shape == expected


# -- images ------------------------------------------------------------------------------------------------------------


def test_a_folder_of_grey_images_is_read_in_order(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 10, 12)).astype(np.uint8)
    for name, image in zip(("b/2.png", "a.bmp", "b/1.tiff"), images, strict=True):
        save(image, tmp_path / name)
    data = read(tmp_path, label_column="folder")
    assert data.files == ("a.bmp", "b/1.tiff", "b/2.png")
    assert np.array_equal(data.x, images[[1, 2, 0]])
    assert data.labels.tolist() == [tmp_path.name, "b", "b"]


def test_colour_and_sixteen_bits_are_kept(tmp_path):
    colour = np.random.default_rng(0).integers(0, 256, (10, 12, 3)).astype(np.uint8)
    save(colour, tmp_path / "colour" / "1.png")
    assert np.array_equal(read(tmp_path / "colour").x[0], np.moveaxis(colour, 2, 0))
    save(colour[..., 0], tmp_path / "colour" / "2.png")
    assert read(tmp_path / "colour").x.shape == (2, 3, 10, 12)
    deep = np.random.default_rng(0).integers(0, 65536, (10, 12)).astype(np.uint16)
    save(deep, tmp_path / "deep" / "1.png")
    x = read(tmp_path / "deep").x
    assert x.dtype == np.uint16
    assert np.array_equal(x[0], deep)


def test_images_of_different_sizes_are_brought_to_the_median(tmp_path):
    for i, (h, w) in enumerate([(10, 12), (20, 30), (40, 60)]):
        save(np.full((h, w), 9, np.uint8), tmp_path / f"{i}.png")
    for size, expected in ((None, (20, 30)), ((16, 8), (16, 8))):
        x = read(tmp_path, image_size=size).x
        assert x.shape == (3, *expected)
        assert (x == 9).all()
    save(np.full((400, 200), 9, np.uint8), tmp_path / "large" / "a.png")
    assert read(tmp_path / "large").x.shape == (1, 128, 64), "detectors take no more"
    save(np.full((1, 1), 9, np.uint8), tmp_path / "tiny" / "a.png")
    assert read(tmp_path / "tiny").x.shape == (1, 8, 8)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_images_of_any_mode_are_read_in_colour_or_grey(tmp_path, mode):
    suffix = "tif" if mode == "CMYK" else "png"
    Image.fromarray(np.full((9, 8), 200, np.uint8)).convert(mode).save(tmp_path / f"a.{suffix}")
    assert read(tmp_path, colour=True).x.shape == (1, 3, 9, 8)
    grey = read(tmp_path, colour=False).x
    assert grey.shape == (1, 9, 8) and grey.dtype == np.uint8
    assert mode == "1" or abs(int(grey[0, 4, 4]) - 200) <= 1


def test_bad_images_are_left_out_where_one_says_so(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20)).astype(np.uint8)
    for name in "abc":
        pixels[0, 0] = ord(name)
        save(pixels, tmp_path / f"{name}.png")
    whole = (tmp_path / "b.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])  # its beginning is fine
    (tmp_path / "d.png").write_bytes(b"no image")
    bad = []
    data = read(tmp_path, bad=bad)
    assert data.files == ("a.png", "c.png") and data.x[:, 0, 0].tolist() == [97, 99]
    assert sorted(bad) == [str(tmp_path / "b.png"), str(tmp_path / "d.png")]
    with pytest.raises(UnreadableFileError, match=r"can't be read as an image: .*--skip-bad"):
        read(tmp_path)
    for name in "acd":
        (tmp_path / f"{name}.png").unlink()
        with (
            pytest.raises(InvalidInputError, match="must hold an image that can be read, got")
            if name != "a"
            else nullcontext()
        ):
            read(tmp_path, bad=[])


def test_images_come_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("egbad.data.images.AT_ONCE", 2)
    for i in range(5):
        save(np.full((8, 8), i, np.uint8), tmp_path / f"{i}.png")
    stream = egbad.data.open_stream(tmp_path)
    batches = list(stream.batches)
    assert stream.rows == 5 and [len(batch.x) for batch in batches] == [2, 2, 1]
    assert np.array_equal(np.concatenate([batch.x for batch in batches]), read(tmp_path).x)


def test_a_corrupt_image_and_an_empty_folder_are_named(tmp_path):
    with pytest.raises(InvalidInputError, match=r"or images \(.png"):
        read(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(UnreadableFileError, match=r"broken.png' can't be read as an image"):
        read(tmp_path)
    with pytest.raises(InvalidInputError, match="has the label column 'folder' only"):
        read(tmp_path, label_column="y")


# -- batch by batch ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_batches_are_what_is_read(tmp_path, monkeypatch, suffix):
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
    monkeypatch.setattr("egbad.data.stream.AT_ONCE", 128)
    monkeypatch.setattr("egbad.data.tables._BLOCK", 4096)
    stream, whole = egbad.data.open_stream(path, label_column="y"), egbad.data.read(path, label_column="y")
    batches = list(stream.batches)
    assert len(batches) > 2
    assert stream.rows in (None, 1000)
    assert (np.concatenate([b.x for b in batches]) == whole.x).all()
    assert (np.concatenate([b.labels for b in batches]) == whole.labels).all()
    assert {b.columns for b in batches} == {whole.columns}
    assert [b.first_row for b in batches] == np.cumsum([0, *(len(b.x) for b in batches[:-1])]).tolist()


def test_a_column_that_looks_whole_at_first_may_have_fractions_later(tmp_path, monkeypatch):
    monkeypatch.setattr("egbad.data.tables._BLOCK", 256)
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,\n" * 200 + "2.5,7\n")
    x = np.concatenate([batch.x for batch in egbad.data.open_stream(path).batches])
    assert x[-1].tolist() == [2.5, 7.0]
    assert x[0, 0] == 1 and np.isnan(x[0, 1])


def test_what_is_wrong_further_down_is_told_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("egbad.data.stream.AT_ONCE", 100)
    x = np.zeros((950, 2))
    x[870, 1] = np.inf
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": x[:, 0], "b": x[:, 1]}), path)
    with pytest.raises(InvalidInputError, match="infinity in row 870, column 'b'"):
        [egbad.data.check_data(batch) for batch in egbad.data.open_stream(path).batches]


def test_a_file_that_was_cut_short_is_one_sentence(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": np.arange(1000.0)}), path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UnreadableFileError, match=r"can't be read as \.parquet"):
        list(egbad.data.open_stream(path).batches)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InvalidInputError, match="at least one row"):
        list(egbad.data.open_stream(tmp_path / "empty.csv").batches)
    (tmp_path / "head.csv").write_text("a,b\n")
    with pytest.raises(InvalidInputError, match="at least one row"):
        list(egbad.data.open_stream(tmp_path / "head.csv").batches)


# -- many files --------------------------------------------------------------------------------------------------------


def days(folder, n=3, rows=5):
    """Tables of a folder a day, as Hive has them, and what they hold in all."""
    frames = [pd.DataFrame({"a": np.arange(rows) + 10.0 * i, "city": [f"c{i}"] * rows}) for i in range(n)]
    for i, frame in enumerate(frames):
        (folder / f"day={i}").mkdir(parents=True)
        frame.to_parquet(folder / f"day={i}" / "part.parquet")
    (folder / "_SUCCESS").write_text("")
    return pd.concat(frames, ignore_index=True).assign(day=[str(i) for i in range(n) for _ in range(rows)])


def test_a_folder_of_tables_is_one_table(tmp_path):
    whole = as_data(days(tmp_path / "t"))
    for path in (tmp_path / "t", tmp_path / "t" / "*" / "*.parquet", tmp_path / "**" / "*.parquet"):
        data = read(path)
        assert data.columns == ("a", "city", "day") and data.column_types == ("number", "category", "category")
        assert np.array_equal(data.x, whole.x) and data.category_labels == whole.category_labels
        batches = list(egbad.data.open_stream(path).batches)
        assert np.array_equal(np.concatenate([batch.x for batch in batches]), whole.x)
        assert [batch.first_row for batch in batches] == [0, 0, 0] and egbad.data.open_stream(path).rows == 15
        assert batches[1].source.endswith("day=1/part.parquet")


def test_tables_of_a_folder_must_be_alike(tmp_path):
    days(tmp_path)
    other = tmp_path / "day=2" / "part.parquet"
    for frame, words in (
        (pd.DataFrame({"a": [1.0], "town": ["x"]}), "of '.*day=0.*' and '.*day=2.*' 'city' is in one of them only"),
        (pd.DataFrame({"city": ["x"], "a": [1.0]}), "they stand in another order"),
        (pd.DataFrame({"a": ["x"], "city": ["y"]}), "Column 'a' must hold the same in all files: numbers in '.*day=0"),
    ):
        frame.to_parquet(other)
        with pytest.raises(InvalidInputError, match=words):
            read(tmp_path)
        with pytest.raises(InvalidInputError, match=words):
            list(egbad.data.open_stream(tmp_path).batches)
    other.write_bytes(other.read_bytes()[:-20])
    for opened in (read, open_stream):
        with pytest.raises(UnreadableFileError, match=r"day=2.*can't be read as .parquet"):
            opened(tmp_path)


def test_a_column_with_nothing_in_it_is_of_any_kind(tmp_path):
    pd.DataFrame({"a": [1.0], "city": ["x"]}).to_parquet(tmp_path / "1.parquet")
    pd.DataFrame({"a": [1.0], "city": [np.nan]}).to_parquet(tmp_path / "2.parquet")
    assert read(tmp_path).column_types == ("number", "category")


def test_a_bad_row_of_many_files_is_named(tmp_path):
    days(tmp_path)
    pd.DataFrame({"a": [1.0, np.inf], "city": ["x", "y"]}).to_parquet(tmp_path / "day=1" / "part.parquet")
    with pytest.raises(InvalidInputError, match=r"infinity in row 1, column 'a', of '.*day=1.*part.parquet'"):
        [egbad.data.check_data(batch) for batch in egbad.data.open_stream(tmp_path).batches]


def test_images_with_a_table_beside_them_are_images(tmp_path):
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "about.csv").write_text("file,size\na.png,8\n")
    assert read(tmp_path).x.shape == (1, 8, 8)


def test_a_folder_of_nothing_is_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="must hold tables .* or images .*, got none"):
        read(tmp_path)
    with pytest.raises(UnreadableFileError, match="There is no file or folder"):
        read(tmp_path / "*.parquet")


# -- samples -----------------------------------------------------------------------------------------------------------


def test_a_sample_is_the_same_however_the_stream_is_cut(tmp_path, monkeypatch):
    pd.DataFrame({"a": np.arange(5000.0), "b": ["x", "y"] * 2500}).to_parquet(tmp_path / "t.parquet")
    found = []
    for at_once in (100, 777, 5000):
        monkeypatch.setattr("egbad.data.stream.AT_ONCE", at_once)
        told = []
        data, seen = sample(egbad.data.open_stream(tmp_path / "t.parquet"), 300, seed=1, advance=told.append)
        assert seen == sum(told) == 5000 and len(data.x) == 300 and data.category_labels[1]
        assert (np.diff(data.x[:, 0]) > 0).all(), "in their order"
        found.append(data.x)
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])
    other, _ = sample(egbad.data.open_stream(tmp_path / "t.parquet"), 300, seed=2)
    assert not np.array_equal(other.x, found[0])


def test_every_row_is_as_likely_as_any_other():
    x = np.arange(1000.0)[:, None]
    counts = np.zeros(1000)
    for seed in range(300):
        data, _ = sample(egbad.data.as_stream(egbad.data.Data(x)), 100, seed)
        counts[data.x[:, 0].astype(int)] += 1
    assert counts.sum() == 30_000 and abs(counts[:500].sum() - 15_000) < 400
    assert counts.std() == pytest.approx(np.sqrt(300 * 0.1 * 0.9), rel=0.15)


def test_a_sample_of_what_is_wanted_alone():
    stream = egbad.data.as_stream(egbad.data.Data(np.arange(100.0)[:, None]))
    data, seen = sample(stream, wanted=lambda data: data.x[:, 0] % 2 == 0)
    assert seen == 50 and data.x[:, 0].tolist() == [*range(0, 100, 2)]
    with pytest.raises(InvalidInputError, match="at least one row"):
        sample(egbad.data.as_stream(egbad.data.Data(np.zeros((3, 1)))), 0)


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 80),
    most=st.integers(4, 40),
    at_once=st.sampled_from([1, 7, 100]),
)
@settings(max_examples=40, deadline=None)
def test_what_a_sample_does_not_show_is_shown_beside_it(seed, n, most, at_once):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=n), rng.integers(0, 4, n), rng.zipf(2.5, n)]).astype(float)
    x[rng.random((n, 3)) < 0.1] = np.nan
    column_types = ("number", "category", "number")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(memory, "AT_ONCE", at_once)
        patched.setattr("egbad.data.sampling._COVERED", 100)  # room for all there is to show
        found, seen = sample(egbad.data.as_stream(egbad.data.Data(x, column_types=column_types)), most, seed)
    if seen <= most:
        assert found.coverage_rows is None
        return
    whole = np.concatenate([found.x, found.coverage_rows])
    for j, kind in enumerate(column_types):
        own, of_all = whole[:, j], x[:, j]
        assert np.isnan(own).any() == np.isnan(of_all).any()
        own, of_all = own[~np.isnan(own)], of_all[~np.isnan(of_all)]
        if kind == "category":
            assert set(own) == set(of_all)
        elif len(of_all):
            assert (own.min(), own.max()) == (of_all.min(), of_all.max())
    again, _ = sample(egbad.data.as_stream(egbad.data.Data(x, column_types=column_types)), most, seed)
    assert np.array_equal(again.x, found.x, equal_nan=True), "what is drawn does not depend on it"


def test_what_is_shown_beside_a_sample_has_bounds():
    x = np.column_stack([np.arange(1000.0), np.arange(1000.0)])
    found, _ = sample(egbad.data.as_stream(egbad.data.Data(x, column_types=("category", "number"))), 40)
    assert len(found.coverage_rows) <= 10, "a quarter as many rows"


def test_the_texts_of_an_identity_are_forgotten_with_its_rows(monkeypatch):
    monkeypatch.setattr("egbad.data.sampling.MAX_KNOWN_LEVELS", 50)
    codes = np.arange(5000.0)
    batches = iter(
        egbad.data.Data(
            codes[i : i + 100, None],
            ("id",),
            column_types=("category",),
            category_labels={0: {c: f"{c:g}" for c in codes[i : i + 100]}},
        )
        for i in range(0, 5000, 100)
    )
    found, seen = sample(egbad.data.Stream(5000, batches), 100)
    assert seen == 5000 and len(found.category_labels[0]) < 400
    assert all(
        found.category_labels[0][code] == f"{code:g}" for code in np.concatenate([found.x, found.coverage_rows])[:, 0]
    )


def test_infinity_is_named_by_its_place_in_the_file():
    x = np.arange(20.0)[:, None]
    x[3] = x[17] = np.inf
    with pytest.raises(InvalidInputError, match="infinity in row 17, column 0"):
        sample(egbad.data.as_stream(egbad.data.Data(x)), 5, wanted=lambda data: np.arange(20) != 3)


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    group=st.integers(1, 17),
    at_once=st.integers(1, 12),
    together=st.integers(1, 5),
)
@settings(max_examples=30, deadline=None)
def test_pieces_are_the_whole_however_files_are_cut(tmp_path_factory, sizes, group, at_once, together):
    folder = tmp_path_factory.mktemp("pieces")
    for i, n in enumerate(sizes):
        values = {"a": np.arange(n) + 100.0 * i, "b": [f"level {j % 3}" for j in range(n)]}
        pq.write_table(pa.table(values), folder / f"{i}.parquet", row_group_size=group)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(memory, "AT_ONCE", at_once)
        patched.setattr(memory, "BATCHES", together)
        found = open_stream(folder)
        assert found.pieces is not None
        parts = [[*piece.read()] for piece in pickle.loads(pickle.dumps(found.pieces))]
    assert np.array_equal(np.concatenate([data.x for part in parts for data in part]), read(folder).x)
    assert [sum(len(data.x) for data in part) for part in parts] == [piece.rows for piece in found.pieces]
    assert all(len(part) <= together and all(len(data.x) <= at_once for data in part) for part in parts)
    rows = [(data.source, data.first_row + i) for part in parts for data in part for i in range(len(data.x))]
    several = len(sizes) > 1
    assert rows == [
        (str(folder / f"{i}.parquet") if several else None, j) for i, n in enumerate(sizes) for j in range(n)
    ]


def test_images_that_are_too_many_are_drawn_from_by_chance(tmp_path, monkeypatch):
    for i in range(30):
        Image.fromarray(np.full((8, 8), i, dtype=np.uint8)).save(tmp_path / f"{i:02}.png")
    whole, seen = egbad.data.sample(egbad.data.open_stream(tmp_path))
    assert seen == 30 and whole.x[:, 0, 0].tolist() == [*range(30)]
    found = {}
    for at_once in (3, 1000):
        monkeypatch.setattr("egbad.data.images.AT_ONCE", at_once)
        some, seen = egbad.data.sample(egbad.data.open_stream(tmp_path), 7, seed=1)
        assert seen == 30
        found[at_once] = some.x[:, 0, 0].tolist()
    assert found[3] == found[1000] == sorted(found[3]) and len(set(found[3])) == 7
    monkeypatch.setattr("egbad.data.sampling.IMAGE_BYTES", 64 * 12)
    monkeypatch.setattr("egbad.data.sampling._FEWEST_IMAGES", 5)
    assert len(egbad.data.sample(egbad.data.open_stream(tmp_path))[0].x) == 12


# -- paths of images ---------------------------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path):
    for name, grey in (("a/1.png", 10), ("a/2.png", 20), ("b/3.png", 30)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((9, 8), grey, dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "a" / "labels.csv").write_text("x\n1\n")
    return tmp_path


def test_images_come_from_a_list_a_pattern_or_one_file(photos):
    listed = read([photos / "b" / "3.png", str(photos / "a" / "1.png")])
    assert listed.x[:, 0, 0].tolist() == [30, 10] and listed.files == ("b/3.png", "a/1.png")
    pattern = read(photos / "*" / "*.png")
    assert pattern.x[:, 0, 0].tolist() == [10, 20, 30] and pattern.files == ("a/1.png", "a/2.png", "b/3.png")
    assert read(photos / "a" / "2.png").files == ("2.png",)
    assert [batch.x.shape for batch in open_stream([photos / "a" / "2.png"]).batches] == [(1, 9, 8)]
    assert read(photos / "*" / "*.png", label_column="folder").labels.tolist() == ["a", "a", "b"]


def test_a_list_of_something_else_is_refused(photos):
    for paths in ([photos / "a" / "1.png", photos / "a" / "labels.csv"], []):
        with pytest.raises(InvalidInputError, match="A list of paths must be of images"):
            read(paths)
