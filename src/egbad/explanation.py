"""Why a row or an image has its score: what each column or pixel adds, and what was expected there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reason:
    """One column's part in a score.

    Attributes
    ----------
    column : str
        Its name, or its position.
    share : float
        What it adds to the score.
    found, expected
        The value that the row has, and what it would be in a normal row like this; None for what has no one value.
    """

    column: str
    share: float
    found: Any
    expected: Any


@dataclass(frozen=True)
class Explanation:
    """What scores are made of: `base` and the sum of a row's `shares` are its score.

    Attributes
    ----------
    score : array (n,)
    base : array (n,)
        The score of what is expected, for methods that tell only why a score differs from that; else 0.
    shares : array (n, d) or (n, h, w)
        What each column, or each pixel over all channels, adds.
    found, expected : array (n, d), or images
        The input, and what the detector would expect there, in the user's units.
    columns : tuple of str
        Names, or positions, of the columns of a table.
    method : str
        "exact"; "residual exact, features by gradients"; "gradients", a path of them from what is expected, in two steps;
        "differences", the score shared out by how far each value is from what is expected; or "occlusion", by how much the
        score falls when a value is replaced by the mean.
    """

    score: Floats
    base: Floats
    shares: Floats
    found: Array
    expected: Array
    columns: tuple[str, ...]
    method: str

    def top(self, k: int = 3) -> list[list[Reason]]:
        """For each row of a table its k columns with the largest shares, largest first."""
        order = np.argsort(-self.shares, axis=1, kind="stable")[:, :k]
        return [
            [
                Reason(self.columns[j], float(self.shares[i, j]), _plain(self.found[i, j]), _plain(self.expected[i, j]))
                for j in own
            ]
            for i, own in enumerate(order.tolist())
        ]


@dataclass(frozen=True)
class Parts:
    """What a method says of encoded rows or images (n, ...).

    Attributes
    ----------
    shares : array (n, ...)
        What each encoded column or pixel adds.
    base : array (n,)
        What is left of the score.
    expected : array (n, ...)
        In encoded units.
    method : str
        As `Explanation` has it.
    """

    shares: Floats
    base: Floats
    expected: Array
    method: str


def shared_out(weights: Floats, total: Floats) -> Floats:
    """A total (n,), shared out by weights (n, ...), none negative; evenly where all are 0."""
    flat = weights.reshape(len(weights), -1)
    sums = flat.sum(axis=1, keepdims=True)
    even = np.full_like(flat, 1 / flat.shape[1])
    parts = np.divide(flat, sums, out=even, where=sums > 0)
    return np.asarray((parts * total[:, None]).reshape(weights.shape))


def joined(parts: Sequence[Parts]) -> Parts:
    """Of several batches."""
    return Parts(
        np.concatenate([part.shares for part in parts]),
        np.concatenate([part.base for part in parts]),
        np.concatenate([part.expected for part in parts]),
        parts[0].method,
    )


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value
