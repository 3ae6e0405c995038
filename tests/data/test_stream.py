"""Streams of batches, and their partitions."""

import numpy as np
import pytest

from egbad.data.stream import Data, Partition, Stream, as_stream, take_rows


def test_data_in_memory_is_split_into_batches():
    x, labels = np.arange(25.0)[:, None], np.arange(25)
    stream = as_stream(Data(x, labels=labels, files=tuple("abcdefghijklmnopqrstuvwxy"), first_row=100), batch_rows=10)
    batches = [*stream.batches]
    assert stream.n_rows == 25 and stream.partitions is None
    assert [len(batch.x) for batch in batches] == [10, 10, 5]
    assert [batch.first_row for batch in batches] == [100, 110, 120]
    assert np.array_equal(np.concatenate([batch.x for batch in batches]), x)
    assert np.array_equal(np.concatenate([batch.labels for batch in batches]), labels)
    assert batches[2].files == tuple("uvwxy")


@pytest.mark.parametrize("rows", [[2, 0], [True, False, True]])
def test_rows_are_taken_without_files_and_labels(rows):
    data = Data(np.arange(3.0)[:, None], ("a",), files=("x", "y", "z"), labels=np.arange(3))
    taken = take_rows(data, np.array(rows))
    assert taken.x.tolist() == data.x[rows].tolist() and taken.columns == ("a",)
    assert taken.files is None and taken.labels is None


def parts(*counts):
    """Return partitions of ones; a count of 0 is a batch whose only file cannot be read."""
    return [
        Partition(max(1, n), lambda n=n, i=i: iter([Data(np.ones((n, 1)), unreadable=() if n else (f"{i}.png",))]))
        for i, n in enumerate(counts)
    ]


def test_a_stream_of_partitions_has_their_batches_in_order():
    stream = Stream.from_partitions(parts(3, 4))
    assert stream.n_rows == 7 and len(stream.partitions) == 2
    assert [len(batch.x) for batch in stream.batches] == [3, 4]


def test_skipped_files_are_recorded_while_batches_are_read():
    batches = [Data(np.ones((1, 1)), unreadable=("b.png",)), Data(np.ones((0, 1)), unreadable=("c.png", "d.png"))]
    stream = Stream(batches, 4, unreadable=["a.png"])
    assert stream.unreadable == ["a.png"]
    assert len(next(stream.batches).x) == 1
    assert stream.unreadable == ["a.png", "b.png"]
    assert [*stream.batches] == [], "an empty batch is left out"
    assert stream.unreadable == ["a.png", "b.png", "c.png", "d.png"]


def test_skipped_files_of_a_single_partition_are_recorded_too():
    stream = Stream.from_partitions(parts(3, 0, 4))
    assert [len(batch.x) for batch in stream.read_partition(stream.partitions[2])] == [4]
    assert stream.unreadable == []
    assert [*stream.read_partition(stream.partitions[1])] == []
    assert stream.unreadable == ["1.png"]
