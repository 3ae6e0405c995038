"""
Drift: when the threshold no longer fits
========================================

A threshold holds for rows like those that set it. ``check_drift`` compares new rows with them, and tells a change of the
data from a flood of anomalies. ``DriftMonitor`` does the same with rows that come one after another.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from egbad.detectors import KNN
from egbad.plot import drift_over_time
from egbad.scoring.drift import check_drift

# %%
# Two sensors. After 1,000 rows one of them begins to creep; in another stream there is no change, but one row in ten is
# an anomaly.

rng = np.random.default_rng(0)


def rows(n):
    """Return n normal rows."""
    load = rng.uniform(size=n)
    return pd.DataFrame(
        {"temperature": 40 + 30 * load + rng.normal(size=n), "pressure": 2 + 3 * load + rng.normal(scale=0.1, size=n)}
    )


detector = KNN(alpha=0.02, random_state=0).fit(rows(3000))

normal, creeping, anomalous = rows(2000), rows(2000), rows(2000)
creeping.loc[1000:, "pressure"] -= np.linspace(0, 0.25, 1000)
attacked = 1000 + np.flatnonzero(rng.random(1000) < 0.1)
anomalous.loc[attacked, "pressure"] += 4

# %%
# A martingale bets against the p-values of the rows. Without drift its capital hardly ever reaches the limit, the dashed
# line: at most with the probability ``level / 2``. The other half of ``level`` is for tests of all rows together.

fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
for name, stream in {"no change": normal, "pressure creeps": creeping, "anomalies": anomalous}.items():
    drift_over_time(detector, stream, level=0.01, label=name, ax=ax)
    report = check_drift(detector, stream, level=0.01)
    print(f"{name}: {report.kind}. {report.summary}")
ax.axvline(1000, color="gray", linestyle=":")
ax.set(title="Evidence of drift", ylim=(-4, 12))

# %%
# After a change of normal data, ``recalibrate`` sets the threshold anew by recent normal rows; nothing is trained
# again.

recent = rows(1000)
recent["pressure"] -= 0.25
before = (detector.predict(recent[500:]) == -1).mean()
detector.recalibrate(recent[:500])
after = (detector.predict(recent[500:]) == -1).mean()
print(f"flagged before: {before:.1%}, after: {after:.1%}, alpha: {detector.alpha:.1%}")
