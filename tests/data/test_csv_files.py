"""CSV files."""

import numpy as np
import pytest

from egbad.data.csv_files import read_csv, stream_csv
from egbad.data.options import BatchSizes, ReadOptions
from egbad.errors import InvalidInputError


def test_batches_have_the_rows_of_the_whole_file(tmp_path):
    x = np.random.default_rng(0).normal(size=(1000, 2)).round(3)
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "".join(f"{a},{b},{i % 2}\n" for i, (a, b) in enumerate(x)))
    options = ReadOptions("y", batch_sizes=BatchSizes(csv_bytes=4096))
    stream, whole = stream_csv(path, options), read_csv(path, options)
    batches = [*stream.batches]
    assert len(batches) > 2 and stream.n_rows is None and stream.partitions is None
    assert np.array_equal(np.concatenate([batch.x for batch in batches]), whole.x)
    assert np.array_equal(np.concatenate([batch.labels for batch in batches]), whole.labels)
    assert [batch.first_row for batch in batches] == np.cumsum([0, *(len(b.x) for b in batches[:-1])]).tolist()


def test_a_column_of_integers_in_the_first_batch_may_have_fractions_later(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,\n" * 200 + "2.5,7\n")
    batches = [*stream_csv(path, ReadOptions(batch_sizes=BatchSizes(csv_bytes=256))).batches]
    x = np.concatenate([batch.x for batch in batches])
    assert len(batches) > 2 and x[-1].tolist() == [2.5, 7.0]
    assert x[0, 0] == 1 and np.isnan(x[0, 1])


def test_categories_keep_the_text_of_the_file_and_empty_fields_are_missing(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('zip,name\n007,a\n,""\n10.50,\n')
    data = read_csv(path, ReadOptions(column_types={"zip": "category"}))
    assert {*data.category_labels[0].values()} == {"007", "10.50"} and np.isnan(data.x[1, 0])
    assert {*data.category_labels[1].values()} == {"a", ""} and np.isnan(data.x[2, 1])


@pytest.mark.parametrize("content", ["", "a,b\n"])
def test_a_file_without_rows_is_refused(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(InvalidInputError, match="at least one row"):
        read_csv(path, ReadOptions())
    with pytest.raises(InvalidInputError, match="at least one row"):
        list(stream_csv(path, ReadOptions()).batches)
