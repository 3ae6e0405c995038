"""
Score a stream as it comes
==========================

Rows of a stream come in small parts, some every second. A score depends on its row alone, so that the size of the
parts does not matter. What a stream adds is time: this example follows flags and their share through a day.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from egbad import Blend

# %%
# A cooling unit reports once a minute. Its power follows the temperature outside, which has a daily rhythm. At 15:00
# the compressor begins to draw more power than it should, for an hour and a half.

rng = np.random.default_rng(0)


def day(fault=False):
    """Return the reports of a day."""
    minute = np.arange(1440)
    outside = 18 + 8 * np.sin(2 * np.pi * (minute - 540) / 1440) + rng.normal(scale=0.6, size=1440)
    power = 400 + 22 * np.clip(outside - 12, 0, None) + rng.normal(scale=12, size=1440)
    inside = 4 + 0.02 * (outside - 18) + rng.normal(scale=0.15, size=1440)
    if fault:
        power[900:990] *= 1.3
    return pd.DataFrame({"outside": outside, "power": power, "inside": inside}).round(2)


detector = Blend(recipe="nearest", alpha=0.005, random_state=0).fit(pd.concat([day(), day(), day()], ignore_index=True))

# %%
# The stream in parts of random size. All scores together are the same, bit for bit.

today = day(fault=True)
scores, start = [], 0
while start < len(today):
    size = int(rng.integers(1, 60))
    scores.append(detector.anomaly_score(today[start : start + size]))
    start += size
scores = np.concatenate(scores)
print("same as at once:", bool((scores == detector.anomaly_score(today)).all()))

# %%
# Single flags are expected: alpha is the share of normal rows that are flagged, 7 of a day's 1,440. A fault shows as
# many flags in a short time. The right axis has the share of the last 15 rows.

flagged = scores > detector.threshold_
recent = pd.Series(flagged).rolling(15, min_periods=1).mean()
hours = np.arange(1440) / 60

fig, axes = plt.subplots(2, 1, figsize=(7.5, 4.6), layout="constrained", sharex=True)
axes[0].plot(hours, today["power"], linewidth=0.6)
axes[0].scatter(hours[flagged], today["power"][flagged], s=10, color="tab:red", label="flagged")
axes[0].set(ylabel="power, W")
axes[0].legend(loc="upper left")
axes[1].semilogy(hours, scores, linewidth=0.6)
axes[1].axhline(detector.threshold_, color="black", linestyle="--", label="threshold")
axes[1].set(xlabel="hour", ylabel="anomaly score", xlim=(0, 24))
axes[1].legend(loc="upper left")
right = axes[1].twinx()
right.fill_between(hours, recent, alpha=0.3, color="tab:red")
right.set(ylabel="share flagged", ylim=(0, 1))

# %%
# An alarm when at least 5 of the last 15 rows are flagged: at a false-alarm rate of 0.005 that hardly happens by
# chance if rows are independent.

alarm = int(np.argmax(recent.to_numpy() * 15 >= 5))
print(f"first alarm at {alarm // 60:02}:{alarm % 60:02}")
