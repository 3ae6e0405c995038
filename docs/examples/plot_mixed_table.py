"""
Categories and missing values
=============================

Columns may hold numbers, categories, booleans and times, and may have gaps. Nothing has to be encoded or filled in.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from egbad import Blend

# %%
# Orders of a shop. Customers abroad leave the postcode out; within the country it is always there.

rng = np.random.default_rng(0)


def orders(n):
    """Return n normal orders."""
    country = rng.choice(["DE", "FR", "JP"], n, p=[0.7, 0.2, 0.1])
    express = rng.random(n) < np.where(country == "JP", 0.9, 0.2)
    weight = rng.lognormal(mean=0.5, sigma=0.5, size=n)
    fee = 3 + 1.5 * weight + 12 * express + rng.normal(scale=0.3, size=n)
    postcode = np.where(country == "DE", rng.integers(10000, 99999, n), np.nan)
    return pd.DataFrame(
        {
            "country": country,
            "express": express,
            "weight": weight.round(2),
            "fee": fee.round(2),
            "region": postcode // 10000,
        }
    )


detector = Blend(alpha=0.01, random_state=0).fit(orders(3000))
for column, kind in zip(detector.columns_, detector.column_types_, strict=True):
    print(f"{column}: {kind}")

# %%
# Orders with one thing wrong each. In some of them every value by itself is usual.

usual = {"country": "DE", "express": False, "weight": 1.6, "fee": 5.4, "region": 4.0}
changes = {
    "a normal order": {},
    "unknown country": {"country": "BR"},
    "region missing in DE": {"region": None},
    "region given in FR": {"country": "FR"},
    "express fee, not express": {"fee": 17.4},
    "weight missing": {"weight": None},
    "weight out of range": {"weight": 60.0},
}
new = pd.DataFrame([usual | change for change in changes.values()], index=list(changes))
new["express"] = new["express"].astype(bool)
scores = detector.anomaly_score(new)

# %%
# Scores above the threshold are flagged. The text names the column that contributes most.

reasons = [reason[0].column for reason in detector.explain(new).top(1)]
fig, ax = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
places = np.arange(len(new))[::-1]
flagged = scores > detector.threshold_
ax.barh(places, scores, color=np.where(flagged, "tab:red", "tab:green"))
ax.axvline(detector.threshold_, color="black", linestyle="--", label="threshold")
for place, score, reason, flag in zip(places, scores, reasons, flagged, strict=True):
    if flag:
        ax.text(score, place, f" {reason}", va="center")
ax.set(
    yticks=places,
    yticklabels=new.index,
    xlabel="anomaly score",
    xscale="log",
    xlim=(0.5 * scores.min(), 4 * scores.max()),
)
ax.legend()
