"""Checks that targets of data files share."""

from pathlib import Path

import numpy as np

from egbad import data


def check_data(path: Path) -> None:
    """Read a file as a whole and in batches, and compare the two."""
    whole = data.read(path)
    data.check_data(whole)
    batches = [*data.open_stream(path, batch_sizes=data.BatchSizes(rows=7, images=2)).batches]
    assert sum(len(batch.x) for batch in batches) == len(whole.x) > 0
    assert all(batch.x.dtype == whole.x.dtype for batch in batches)
    if whole.x.dtype != object:
        assert np.array_equal(np.concatenate([batch.x for batch in batches]), whole.x, equal_nan=True)
