"""
Why is this row an anomaly?
===========================

``explain`` divides the score of a row among its columns, and gives the value that the detector expected in each column,
with the range in which 95 percent of normal rows like this one lie.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from egbad import Blend
from egbad.plot import explanation_bars

# %%
# A pump: flow rises with speed, pressure falls with flow, and heat follows power.

rng = np.random.default_rng(0)


def pump(n):
    """Return n normal rows."""
    speed = rng.uniform(800, 1600, n)
    flow = speed / 40 + rng.normal(scale=0.6, size=n)
    pressure = 9 - flow / 8 + rng.normal(scale=0.1, size=n)
    power = flow * pressure / 12 + rng.normal(scale=0.2, size=n)
    heat = 25 + 2 * power + rng.normal(scale=0.8, size=n)
    return pd.DataFrame({"speed": speed, "flow": flow, "pressure": pressure, "power": power, "heat": heat}).round(2)


detector = Blend(recipe="nearest", random_state=0).fit(pump(4000))

# %%
# One row in which every value by itself is usual, but the pump is too hot for its power: a bearing is dry.

row = pd.DataFrame([{"speed": 1000.0, "flow": 25.0, "pressure": 5.9, "power": 12.3, "heat": 56.0}])
print(row.to_string(index=False))
print("p-value:", detector.p_value(row).round(4)[0], "flagged:", detector.predict(row)[0] == -1)

# %%
# ``shares`` are the contributions of the columns; ``top`` returns the largest ones as reasons.

explanation = detector.explain(row)
for reason in explanation.top(2)[0]:
    print(
        f"{reason.column}: {reason.observed}, expected {reason.expected}, usual {reason.low:.1f} to {reason.high:.1f}"
    )

# %%
# ``explanation_bars`` draws the contributions of all columns, with observed and expected values. The expected row is the
# most similar normal one: to come closer to the heat, it has more power than the observed one, and so all columns
# differ. The heat differs most.

ax = explanation_bars(explanation)

# %%
# Values relative to their usual range, whose ends are -1 and 1.

observed, expected = (np.asarray(part[0], dtype=float) for part in (explanation.observed, explanation.expected))
low, high = explanation.low[0], explanation.high[0]
middle, half = (low + high) / 2, (high - low) / 2

fig, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
places = np.arange(len(explanation.columns))[::-1]
ax.axvspan(-1, 1, color="tab:green", alpha=0.2, label="usual range")
ax.scatter((expected - middle) / half, places, marker="|", s=200, color="black", label="expected")
ax.scatter((observed - middle) / half, places, color="tab:red", label="observed")
ax.set(xlabel="value relative to its usual range", yticks=places, yticklabels=explanation.columns)
ax.legend(loc="best", fontsize="small")

# %%
# As a table, with a line for each row and column:

print(explanation.to_frame().round(3).to_string(index=False))
