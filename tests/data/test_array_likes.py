"""Tensors, masked arrays, Datasets and DataLoaders."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from egbad.data.array_likes import to_arrays
from egbad.data.conversion import as_data
from egbad.errors import InvalidInputError, InvalidTypeError

X = np.arange(24, dtype=np.float32).reshape(8, 3)
ROWS, LABELS = torch.from_numpy(X), torch.arange(8)


class Samples(Dataset):
    """Samples without labels."""

    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        return self.samples[i]


class Rows(IterableDataset):
    """Samples of unknown number."""

    def __iter__(self):
        return iter(ROWS)


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.uint8]
)
def test_tensors_of_any_type_are_arrays(dtype):
    assert np.array_equal(to_arrays(ROWS.to(dtype)), X)


@pytest.mark.parametrize(
    "given",
    [
        ROWS.clone().requires_grad_(),
        ROWS.T.contiguous().T,
        list(ROWS.clone().requires_grad_()),
        Samples(ROWS),
        Samples([*X]),
        Samples([row.tolist() for row in X]),
        TensorDataset(ROWS),
        Subset(TensorDataset(ROWS), range(8)),
        Rows(),
        DataLoader(Samples(ROWS), batch_size=3),
        DataLoader(TensorDataset(ROWS), batch_size=None),
        DataLoader(Rows(), batch_size=5),
    ],
    ids=lambda given: type(given).__name__,
)
def test_tensors_datasets_and_loaders_are_rows(given):
    assert np.array_equal(as_data(given).x, X)


@pytest.mark.parametrize("wrap", [lambda dataset: dataset, lambda dataset: DataLoader(dataset, batch_size=3)])
def test_labels_are_ignored_with_a_warning(wrap):
    with pytest.warns(UserWarning, match="The labels of the Data.* are ignored: all samples count as normal"):
        assert np.array_equal(as_data(wrap(TensorDataset(ROWS, LABELS))).x, X)


def test_images_of_a_dataset_may_have_different_sizes():
    images = as_data(Samples([torch.zeros(3, 9, 8), torch.zeros(3, 12, 10)])).x
    assert images.shape == (2,) and images[1].shape == (3, 12, 10)
    batches = as_data(DataLoader(Samples([torch.zeros(3, 9, 8), torch.zeros(3, 12, 10)]), batch_size=1)).x
    assert [image.shape for image in batches] == [(3, 9, 8), (3, 12, 10)]
    assert as_data(Samples([torch.zeros(3, 9, 8)] * 2)).x.shape == (2, 3, 9, 8)


def test_a_loader_must_give_all_rows_in_order():
    with pytest.raises(InvalidInputError, match="must not shuffle"):
        to_arrays(DataLoader(Samples(ROWS), shuffle=True))
    with pytest.raises(InvalidInputError, match="must give all rows, got drop_last=True"):
        to_arrays(DataLoader(Samples(ROWS), batch_size=3, drop_last=True))


def test_a_dataset_must_give_arrays():
    with pytest.raises(InvalidTypeError, match="A Dataset must give arrays, .* got dict"):
        to_arrays(Samples([{"a": 1.0}]))
    with pytest.raises(InvalidTypeError, match="got a sparse tensor"):
        to_arrays(ROWS.to_sparse())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("t.csv", "got str. Read it first, with egbad.data.read"),
        (Path("t.csv"), "Path. Read it first"),
        ({"a": [1.0]}, "got dict. Pass pandas.DataFrame"),
        ((row for row in X), "got generator. Collect its rows first, with numpy.stack"),
        ({1.0}, "got set. Collect its rows first"),
    ],
)
def test_objects_without_rows_are_refused_with_the_way_to_get_them(given, message):
    with pytest.raises(InvalidTypeError, match=f"X must be an array, a table or images, .*{message}"):
        as_data(given)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, bool])
def test_masked_values_are_missing(dtype):
    x = np.ma.array(np.ones((2, 2), dtype), mask=[[True, False], [False, False]])
    assert np.array_equal(as_data(x).x, [[np.nan, 1], [1, 1]], equal_nan=True)
    assert np.array_equal(as_data([*x]).x, [[np.nan, 1], [1, 1]], equal_nan=True)
    assert as_data(np.ma.array(np.ones((2, 2), dtype))).x.tolist() == [[1, 1], [1, 1]]
    assert x.data.all(), "X is never written to"
