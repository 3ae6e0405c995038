"""Tensors, masked arrays, Datasets and DataLoaders as NumPy arrays. Torch is not imported."""

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from egbad.arrays import Array
from egbad.errors import InvalidInputError, InvalidTypeError


def to_arrays(X: Any) -> Any:
    """Convert array-likes that NumPy cannot convert by itself.

    Parameters
    ----------
    X : object
        A tensor, also on another device, with gradients or in bfloat16; a masked array, whose masked values become NaN; a list
        of these; a `Dataset` or `DataLoader`, whose labels are ignored with a warning.

    Returns
    -------
    ndarray or list of ndarray
        Other objects are returned as they are.

    Raises
    ------
    InvalidTypeError
        For paths, mappings and iterators, and for a Dataset whose samples are no arrays.
    InvalidInputError
        For a DataLoader that shuffles or leaves rows out.
    """
    if isinstance(X, list | tuple):
        return [_to_array(x) for x in X] if any(_is_tensor(x) or isinstance(x, np.ma.MaskedArray) for x in X) else X
    if _is_tensor(X) or isinstance(X, np.ma.MaskedArray):
        return _to_array(X)
    if all(hasattr(X, name) for name in ("dataset", "sampler", "collate_fn")):
        return _from_loader(X)
    if _is_dataset(X):
        items = X if not hasattr(X, "__len__") else (X[i] for i in range(len(X)))
        return _stack([*_samples(items, "Dataset")])
    _check_type(X)
    return X


def _is_tensor(x: Any) -> bool:
    return hasattr(x, "detach") and hasattr(x, "numpy")


def _is_dataset(X: Any) -> bool:
    """Return True for an object with samples but without any of the interfaces that NumPy reads."""
    if hasattr(X, "__array__") or hasattr(X, "__array_interface__") or isinstance(X, Sequence | Mapping | memoryview):
        return False
    return hasattr(type(X), "__getitem__") and (hasattr(X, "__len__") or hasattr(X, "__iter__"))


def _check_type(X: Any) -> None:
    """Raise for objects that hold no rows, with the way to get them."""
    if isinstance(X, str | os.PathLike):
        advice = "Read it first, with egbad.data.read(X)"
    elif isinstance(X, Mapping):
        advice = "Pass pandas.DataFrame(X) or pyarrow.table(X)"
    elif isinstance(X, Iterable) and not isinstance(X, Sequence) and not hasattr(X, "__array__"):
        advice = "Collect its rows first, with numpy.stack(list(X))"
    else:
        return
    raise InvalidTypeError(f"X must be an array, a table or images, got {type(X).__name__}. {advice}.")


def _to_array(x: Any) -> Array:
    """Convert a tensor or a masked array."""
    if isinstance(x, np.ma.MaskedArray):
        if not np.ma.is_masked(x):
            return np.asarray(x.data)
        return np.asarray(np.ma.filled(x if x.dtype.kind in "fc" else x.astype(np.float64), np.nan))
    if not _is_tensor(x):
        return np.asarray(x)
    if not str(getattr(x, "layout", "torch.strided")).endswith("strided"):
        raise InvalidTypeError("X must be dense, got a sparse tensor. Convert it with X.to_dense().")
    try:
        return np.asarray(x.numpy(force=True))
    except TypeError:  # bfloat16 and 8-bit floats, which single precision holds exactly
        return np.asarray(x.float().numpy(force=True))


def _from_loader(loader: Any) -> Any:
    """Return all batches of a DataLoader, in the order of its Dataset."""
    samplers = (loader.sampler, getattr(loader.batch_sampler, "sampler", None))
    if any(hasattr(sampler, "generator") or getattr(sampler, "shuffle", False) for sampler in samplers):
        raise InvalidInputError("A DataLoader must not shuffle: scores have the order of the rows. Set shuffle=False.")
    if getattr(loader, "drop_last", False) or getattr(loader.batch_sampler, "drop_last", False):
        raise InvalidInputError("A DataLoader must give all rows, got drop_last=True. Set drop_last=False.")
    batches = [*_samples(loader, "DataLoader")]
    if loader.batch_sampler is None and loader.batch_size is None:  # it does not batch
        return _stack(batches)
    shapes = {batch.shape[1:] for batch in batches}
    return np.concatenate(batches) if len(shapes) == 1 else [sample for batch in batches for sample in batch]


def _samples(items: Iterable[Any], kind: str) -> Iterator[Array]:
    """Yield the samples or batches of a Dataset or DataLoader without their labels."""
    told = False
    for item in items:
        if isinstance(item, tuple | list) and item and not isinstance(item[0], Real):
            if len(item) > 1 and not told:
                warnings.warn(f"The labels of the {kind} are ignored: all samples count as normal.", stacklevel=4)
                told = True
            item = item[0]
        if isinstance(item, Mapping | str):
            raise InvalidTypeError(
                f"A {kind} must give arrays, or pairs of an array and a label, got {type(item).__name__}. Wrap it so that "
                "it gives arrays."
            )
        yield _to_array(item)


def _stack(samples: list[Array]) -> Any:
    """Return samples of one shape as an array, others as a list."""
    return np.stack(samples) if len({sample.shape for sample in samples}) == 1 else samples
