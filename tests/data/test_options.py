"""Options of reading files."""

import pickle

import pytest

from egbad.data.options import BatchSizes, ReadOptions


def test_a_partition_has_about_a_million_rows_by_default():
    sizes = BatchSizes()
    assert sizes.rows * sizes.per_partition == pytest.approx(1e6, rel=0.05)


def test_options_can_be_sent_to_workers():
    options = ReadOptions("y", {"a": "category"}, (8, 9), True, 16, True, BatchSizes(rows=5))
    assert pickle.loads(pickle.dumps(options)) == options
