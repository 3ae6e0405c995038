"""
Missing values
==============

A gap is a value of its own: it raises the score where training had none, and costs nothing where training had gaps,
too. Nothing has to be filled in.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from egbad import Blend

# %%
# Weather stations. Humidity is missing in one row of four, more often in frost, when the sensor freezes. Temperature
# and pressure are never missing.

rng = np.random.default_rng(0)


def weather(n):
    """Return n normal rows."""
    temperature = rng.normal(8, 9, n)
    pressure = 1013 - 0.6 * (temperature - 8) + rng.normal(scale=4, size=n)
    humidity = np.clip(85 - 1.2 * temperature + rng.normal(scale=6, size=n), 5, 100)
    humidity[rng.random(n) < np.where(temperature < 0, 0.8, 0.02)] = np.nan
    return pd.DataFrame({"temperature": temperature, "pressure": pressure, "humidity": humidity}).round(1)


normal = weather(4000)
detector = Blend(alpha=0.01, random_state=0).fit(normal)
print(f"missing in training: {normal.isna().mean().round(2).to_dict()}")

# %%
# New rows, some with gaps. Without humidity, a row in frost is usual and one in warm weather is less so. Rows without
# temperature or pressure are like nothing in training.

new = pd.DataFrame(
    {
        "temperature": [-5.0, 12.0, 12.0, None, 12.0, None],
        "pressure": [1020.0, 1010.0, 1010.0, 1010.0, None, None],
        "humidity": [None, 70.0, None, 70.0, 70.0, None],
    },
    index=[
        "frost, no humidity",
        "complete",
        "warm, no humidity",
        "no temperature",
        "no pressure",
        "nothing at all",
    ],
)
p = detector.p_value(new)

fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
places = np.arange(len(new))[::-1]
ax.barh(places, p, color=np.where(p <= detector.alpha, "tab:red", "tab:green"))
ax.axvline(detector.alpha, color="black", linestyle="--", label="alpha")
ax.set(yticks=places, yticklabels=new.index, xlabel="p-value; red: flagged", xscale="log")
ax.legend()

# %%
# A gap can be the reason of a flag. Its observed value is None.

flagged = new[p <= detector.alpha]
for name, (reason,) in zip(flagged.index, detector.explain(flagged).top(1), strict=True):
    print(f"{name}: {reason.column}, observed {reason.observed}")
