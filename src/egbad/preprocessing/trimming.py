"""Which training rows to do without, where some may be anomalies that nobody noticed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def inlier_indices(x: NDArray[Any], share: float, seed: int) -> NDArray[np.intp]:
    """Positions, ascending, of all rows or images x (n, ...) but the `share` that an isolation forest isolates first.

    The forest, not the detector itself, because a detector that has learned an anomaly, or its like, knows it.
    """
    from sklearn.ensemble import IsolationForest  # costs more to import than all else here

    flat = x.reshape(len(x), -1)
    normal = IsolationForest(random_state=seed % 2**32).fit(flat).score_samples(flat)
    return np.sort(np.argsort(-normal, kind="stable")[: len(x) - round(share * len(x))])
