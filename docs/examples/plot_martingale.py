"""
An alarm that may run forever
=============================

Testing for drift every hour gives a false alarm sooner or later. A conformal martingale does not: it bets against the
p-values of the rows, and without drift its capital ever reaches 100 with a probability of at most 1/100, however long
it runs.
"""

import matplotlib.pyplot as plt
import numpy as np

from egbad.detectors import KNN
from egbad.scoring.martingales import ConformalMartingale

# %%
# The martingale needs the scores of the calibration rows, and then the scores of new rows in their order.

rng = np.random.default_rng(0)
detector = KNN(alpha=0.01, calibration_fraction=0.3, random_state=0).fit(rng.normal(size=(2000, 3)))


def capital(scores, seed=0):
    """Return the logarithm of the capital after every 25 rows, and the row of the alarm."""
    martingale = ConformalMartingale(detector.calibration_scores_, level=0.01, seed=seed)
    path = []
    for part in np.split(scores, np.arange(25, len(scores), 25)):
        martingale.update(part)
        path.append(martingale.log_value / np.log(10))
    return path, martingale.alarm_row


# %%
# Fifty streams without a change, and five in which the spread grows by 15 percent after row 1,000.

rows = np.arange(25, 3001, 25)
fig, ax = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
false_alarms = 0
for i in range(50):
    path, alarm = capital(detector.anomaly_score(rng.normal(size=(3000, 3))), seed=i)
    false_alarms += alarm is not None
    ax.plot(rows, path, color="tab:blue", linewidth=0.4, label="no change" if i == 0 else None)
for i in range(5):
    stream = rng.normal(size=(3000, 3))
    stream[1000:] *= 1.15
    path, alarm = capital(detector.anomaly_score(stream), seed=i)
    print(f"change at row 1000, alarm at row {alarm}")
    ax.plot(rows, path, color="tab:orange", label="change at row 1,000" if i == 0 else None)
ax.axhline(2, color="black", linestyle="--", label="limit, 100")
ax.axvline(1000, color="gray", linestyle=":")
ax.set(xlabel="rows", ylabel="log10 of the capital", ylim=(-5, 12), title="Capital of the bets")
ax.legend(loc="upper left")
print(f"false alarms: {false_alarms} of 50 streams")

# %%
# The state of a martingale is JSON. Another process, tomorrow, continues where this one ends.

martingale = ConformalMartingale(detector.calibration_scores_, seed=1)
martingale.update(detector.anomaly_score(rng.normal(size=(200, 3))))
continued = ConformalMartingale.from_state(martingale.state(), detector.calibration_scores_)
print(continued.n_rows, continued.log_value == martingale.log_value)
