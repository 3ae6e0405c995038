"""Digests of the rows that a detector was trained on, which recognise these rows when they come again.

A score means something only for rows that the detector was not trained on. Digests of 64 bits tell which rows it was, at eight
bytes a row. Rows of different content have the same digest with probability 2^-64 for each pair.
"""

import warnings
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, ArraySpec, State, check_arrays
from egbad.data.ragged import image_digest, is_ragged
from egbad.errors import InvalidEntryError, LearnedRowsWarning

Digests = NDArray[np.uint64]

MAX_DIGESTS = 2**17  # 1 MiB in the model file
DIGESTS = ArraySpec("uint64", ("n_digests",), ascending=True, empty=True)  # as model files hold them
_ARRAYS = {"digests": DIGESTS, "counts": ArraySpec("uint64", (3,))}
_BLOCK_NUMBERS = 2**16  # numbers that are converted at a time: they fit into the cache
_CHECKED_ROWS = 512  # rows, at least, that are compared with the training rows
_STANDARD_DEVIATIONS = 3  # beyond chance
_ANY_DIGEST = 2**64 - 1
_HALF, _MULTIPLIER = np.uint64(32), np.uint64(0x9E3779B97F4A7C15)


def row_digests(x: Array) -> Digests:
    """Compute a digest of each row or image from its values.

    Parameters
    ----------
    x : ndarray of shape (n, ...)
        Rows, or images of one size or of different sizes. The type of the numbers and the layout in memory do not matter.

    Returns
    -------
    ndarray of uint64 of shape (n,)

    Examples
    --------
    >>> a, b, c = row_digests(np.array([[1, 2], [2, 1], [1, 2]]))
    >>> bool(a == c), bool(a == b)
    (True, False)
    """
    if x.ndim != 2 or is_ragged(x):
        return np.fromiter((image_digest(image) for image in x), np.uint64, len(x))
    weights: Digests = np.random.PCG64(0).random_raw(max(1, x.shape[1])) | np.uint64(1)
    step = max(1, _BLOCK_NUMBERS // max(1, x.shape[1]))
    parts: list[Digests] = [
        _table_digests(x[start : start + step], weights[: x.shape[1]]) for start in range(0, len(x), step)
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def _table_digests(x: Array, weights: Digests) -> Digests:
    """Return the digests (n,) of rows x (n, d): a random linear form of their bits modulo 2^64, mixed."""
    numbers = np.add(x, 0.0, dtype=np.float64)  # the sum makes -0.0 and 0.0 equal
    numbers[np.isnan(numbers)] = np.nan  # there are many representations of NaN
    bits = np.ascontiguousarray(numbers).view(np.uint64)
    bits ^= bits >> _HALF
    found: Digests = (bits * weights).sum(axis=1, dtype=np.uint64)
    found ^= found >> _HALF
    found *= _MULTIPLIER
    found ^= found >> _HALF
    return found


@dataclass(frozen=True)
class LearnedRows:
    """The rows that a detector was trained on, by their digests.

    Of many different rows only the smallest digests are kept. They are a random sample, and all questions are answered by the
    rows of X whose digests lie in the same range.

    Attributes
    ----------
    digests : ndarray of uint64 of shape (n,)
        Different digests in ascending order.
    limit : int
        Digests above it are not recorded.
    n_held_out, n_repeats : int
        Number of rows that were held out of training, and how many of them equal a training row: the rate at which new rows
        repeat training rows by chance, for example in a table of few categories.
    """

    digests: Digests
    limit: int = _ANY_DIGEST
    n_held_out: int = 0
    n_repeats: int = 0

    @classmethod
    def from_digests(
        cls, digests: Digests, earlier: "LearnedRows | None" = None, max_digests: int = MAX_DIGESTS
    ) -> "LearnedRows":
        """Record training rows, in addition to those of an earlier fit whose weights training started from.

        Parameters
        ----------
        digests : ndarray of uint64 of shape (n,)
        earlier : LearnedRows, optional
        max_digests : int
            Number of digests to keep.

        Returns
        -------
        LearnedRows
        """
        limit = _ANY_DIGEST if earlier is None else earlier.limit
        different = np.unique(digests if earlier is None else np.concatenate([digests, earlier.digests]))
        kept = different[different <= limit][:max_digests]
        return cls(kept, int(kept[-1]) if len(kept) == max_digests else limit)

    def with_held_out(self, x: Array) -> "LearnedRows":
        """Return the same rows with the rate of chance repeats among rows x (m, ...) that were held out of training."""
        digests = row_digests(x)
        n_held_out, n_repeats = self._count(digests)
        return LearnedRows(self.digests, self.limit, n_held_out, n_repeats)

    def contains(self, digests: Digests) -> NDArray[np.bool_]:
        """Return which digests (n,) are those of training rows."""
        if not len(self.digests):
            return np.zeros(len(digests), dtype=np.bool_)
        places = np.minimum(np.searchsorted(self.digests, digests), len(self.digests) - 1)
        return np.asarray(self.digests[places] == digests)

    def include(self, digests: Digests) -> bool:
        """Decide if training rows are among rows with these digests, more of them than chance repeats explain.

        Parameters
        ----------
        digests : ndarray of uint64 of shape (n,)

        Returns
        -------
        bool
        """
        n, n_known = self._count(digests)
        if not n_known:
            return False
        rate = (self.n_repeats + 1) / (self.n_held_out + 1)
        variance = n * rate + n * n * rate * (1 - rate) / max(1, self.n_held_out)  # of the count, and of the rate
        return n_known > n * rate + _STANDARD_DEVIATIONS * sqrt(variance)

    def new_rows(self, digests: Digests, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Select rows that may stand for rows that were not trained on.

        These are rows that are no training rows, and as many that equal one as new rows do by chance.

        Parameters
        ----------
        digests : ndarray of uint64 of shape (n,)
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of bool of shape (n,)
        """
        if not self.include(digests):
            return np.ones(len(digests), dtype=np.bool_)
        known = self.contains(digests)
        selected = ~known & (digests <= np.uint64(self.limit))
        odds = self.n_repeats / max(1, self.n_held_out - self.n_repeats)
        repeats = rng.permutation(np.flatnonzero(known))
        selected[repeats[: round(odds * selected.sum())]] = True
        return np.asarray(selected)

    def _count(self, digests: Digests) -> tuple[int, int]:
        """Return how many digests lie in the recorded range, and how many of them are those of training rows."""
        return int((digests <= np.uint64(self.limit)).sum()), int(self.contains(digests).sum())

    def state(self) -> State:
        """Return the content as arrays, which `from_state` takes."""
        counts = np.array([self.limit, self.n_held_out, self.n_repeats], dtype=np.uint64)
        return {"digests": self.digests, "counts": counts}

    @classmethod
    def from_state(cls, state: State) -> "LearnedRows":
        """Restore what `state` returned.

        Raises
        ------
        InvalidEntryError
            If an array is not one that `state` returns.
        """
        check_arrays(state, _ARRAYS)
        digests, (limit, n_held_out, n_repeats) = state["digests"], (int(value) for value in state["counts"])
        if n_repeats > n_held_out or (len(digests) and digests[-1] > limit):
            raise InvalidEntryError("counts", f"must fit the digests, got {state['counts'].tolist()}")
        return cls(digests, limit, n_held_out, n_repeats)


def warn_if_learned(learned: LearnedRows | None, x: Array, stacklevel: int = 3) -> None:
    """Warn if training rows are among rows or images.

    Parameters
    ----------
    learned : LearnedRows or None
        None if the training rows are not known.
    x : ndarray of shape (n, ...)
    stacklevel : int
        As in `warnings.warn`.

    Warns
    -----
    LearnedRowsWarning
    """
    some = x[:: max(1, len(x) // _CHECKED_ROWS)]  # enough to notice, and large tables take no longer
    if learned is not None and learned.include(row_digests(some)):
        warnings.warn(
            "The detector was trained on some of these rows: their scores are too low and their p-values do not hold. "
            "To score training rows, use fit_predict or egbad.detect, and on the command line 'egbad detect' or "
            "'egbad score --out-of-fold'.",
            LearnedRowsWarning,
            stacklevel=stacklevel + 1,
        )
