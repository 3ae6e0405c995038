"""Random samples of streams."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egbad.data import BatchSizes, Data, SampleLimits, Stream, as_stream, open_stream, sample
from egbad.errors import InvalidInputError


def test_a_sample_does_not_depend_on_the_size_of_batches(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": np.arange(5000.0), "b": ["x", "y"] * 2500}).to_parquet(path)
    found = []
    for rows in (100, 777, 5000):
        advanced = []
        stream = open_stream(path, batch_sizes=BatchSizes(rows=rows))
        data, n_rows = sample(stream, 300, seed=1, advance=advanced.append)
        assert n_rows == sum(advanced) == 5000 and len(data.x) == 300 and data.category_labels[1]
        assert (np.diff(data.x[:, 0]) > 0).all(), "rows keep their order"
        found.append(data.x)
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])
    other, _ = sample(open_stream(path), 300, seed=2)
    assert not np.array_equal(other.x, found[0])


def test_all_rows_are_equally_likely():
    x = np.arange(1000.0)[:, None]
    counts = np.zeros(1000)
    for seed in range(300):
        data, _ = sample(as_stream(Data(x)), 100, seed)
        counts[data.x[:, 0].astype(int)] += 1
    assert counts.sum() == 30_000 and abs(counts[:500].sum() - 15_000) < 400
    assert counts.std() == pytest.approx(np.sqrt(300 * 0.1 * 0.9), rel=0.15)


def test_a_row_filter_chooses_the_rows_to_draw_from():
    stream = as_stream(Data(np.arange(100.0)[:, None]))
    data, n_rows = sample(stream, row_filter=lambda data: data.x[:, 0] % 2 == 0)
    assert n_rows == 50 and data.x[:, 0].tolist() == [*range(0, 100, 2)]


def test_a_sample_must_have_rows():
    with pytest.raises(InvalidInputError, match="at least one row to learn from, got a limit of 0"):
        sample(as_stream(Data(np.zeros((3, 1)))), 0)
    with pytest.raises(InvalidInputError, match="at least one row to learn from, got none"):
        sample(Stream([]))


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 80),
    max_rows=st.integers(4, 40),
    batch_rows=st.sampled_from([1, 7, 100]),
)
@settings(max_examples=40, deadline=None)
def test_levels_missing_values_and_extremes_that_a_sample_lacks_are_beside_it(seed, n, max_rows, batch_rows):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=n), rng.integers(0, 4, n), rng.zipf(2.5, n)]).astype(float)
    x[rng.random((n, 3)) < 0.1] = np.nan
    column_types = ("number", "category", "number")
    data = Data(x, column_types=column_types)
    room_for_all = SampleLimits(coverage_fraction=100)
    found, n_rows = sample(as_stream(data, batch_rows), max_rows, seed, limits=room_for_all)
    if n_rows <= max_rows:
        assert found.coverage_rows is None
        return
    whole = np.concatenate([found.x, found.coverage_rows])
    for j, column_type in enumerate(column_types):
        shown, expected = whole[:, j], x[:, j]
        assert np.isnan(shown).any() == np.isnan(expected).any()
        shown, expected = shown[~np.isnan(shown)], expected[~np.isnan(expected)]
        if column_type == "category":
            assert set(shown) == set(expected)
        elif len(expected):
            assert (shown.min(), shown.max()) == (expected.min(), expected.max())
    again, _ = sample(as_stream(data), max_rows, seed)
    assert np.array_equal(again.x, found.x, equal_nan=True), "the sample itself does not depend on these rows"


def test_there_are_at_most_a_quarter_as_many_coverage_rows():
    x = np.column_stack([np.arange(1000.0), np.arange(1000.0)])
    found, _ = sample(as_stream(Data(x, column_types=("category", "number"))), 40)
    assert len(found.coverage_rows) <= 10


def test_texts_of_an_identifier_are_dropped_with_its_rows():
    codes = np.arange(5000.0)
    batches = (
        Data(
            codes[i : i + 100, None],
            ("id",),
            column_types=("category",),
            category_labels={0: {code: f"{code:g}" for code in codes[i : i + 100]}},
        )
        for i in range(0, 5000, 100)
    )
    found, n_rows = sample(Stream(batches, 5000), 100, limits=SampleLimits(max_levels=50))
    assert n_rows == 5000 and len(found.category_labels[0]) < 400
    kept = np.concatenate([found.x, found.coverage_rows])[:, 0]
    assert all(found.category_labels[0][code] == f"{code:g}" for code in kept)


def test_infinity_is_named_by_its_place_in_the_stream():
    x = np.arange(20.0)[:, None]
    x[3] = x[17] = np.inf
    with pytest.raises(InvalidInputError, match="infinity in row 17, column 0"):
        sample(as_stream(Data(x)), 5, row_filter=lambda data: np.arange(20) != 3)


def test_images_are_sampled_if_there_are_too_many(tmp_path, save_image):
    for i in range(30):
        save_image(f"{i:02}.png", np.full((8, 8), i, dtype=np.uint8))
    whole, n_rows = sample(open_stream(tmp_path))
    assert n_rows == 30 and whole.x[:, 0, 0].tolist() == [*range(30)]
    found = {}
    for images in (3, 1000):
        data, n_rows = sample(open_stream(tmp_path, batch_sizes=BatchSizes(images=images)), 7, seed=1)
        assert n_rows == 30
        found[images] = data.x[:, 0, 0].tolist()
    assert found[3] == found[1000] == sorted(found[3]) and len(set(found[3])) == 7
    limited, _ = sample(open_stream(tmp_path), limits=SampleLimits(image_bytes=64 * 12, min_images=5))
    assert len(limited.x) == 12


def test_a_sample_lists_the_images_that_were_skipped(tmp_path, save_image):
    save_image("a.png", np.zeros((8, 8), dtype=np.uint8))
    (tmp_path / "b.png").write_bytes(b"no image")
    data, _ = sample(open_stream(tmp_path, skip_unreadable=True))
    assert data.unreadable == (str(tmp_path / "b.png"),)


def test_the_default_size_of_a_sample_is_what_memory_can_hold():
    limits = SampleLimits(table_bytes=8_000, min_rows=10, image_bytes=6_400, min_images=3)
    assert limits.sample_size(Data(np.zeros((5, 2)))) == 500
    assert limits.sample_size(Data(np.zeros((5, 1000)))) == 10
    assert limits.sample_size(Data(np.zeros((5, 8, 8), dtype=np.uint8))) == 100
    assert limits.sample_size(Data(np.zeros((5, 80, 80)))) == 3


def test_rows_without_columns_are_refused():
    with pytest.raises(InvalidInputError, match=r"0 feature\(s\) \(shape=\(3, 0\)\)"):
        sample(as_stream(Data(np.empty((3, 0)))))
