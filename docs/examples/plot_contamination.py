"""
Anomalies among the training rows
=================================

Detectors learn from normal rows. Where some training rows are anomalies, they hide others like them. This example
measures how much, and what helps: leaving isolated rows out of training, and ``egbad.detect``, which scores each row
by a model that was trained on others.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score

from egbad import Blend, Preprocessing, detect

# %%
# Normal rows in three groups, and anomalies in a small group of their own and around all groups.

rng = np.random.default_rng(0)
centres = np.array([[0, 0, 0, 0], [5, 1, 0, 4], [1, 6, 4, 0]])


def normal_rows(n):
    """Return n normal rows."""
    return centres[rng.integers(3, size=n)] + rng.normal(scale=0.7, size=(n, 4))


def anomalous_rows(n):
    """Return n anomalies, half of them in one group."""
    grouped = np.array([6, 6, -2, -2]) + rng.normal(scale=0.5, size=(n // 2, 4))
    return np.vstack([grouped, rng.uniform(-4, 9, size=(n - n // 2, 4))])


new = np.vstack([normal_rows(600), anomalous_rows(100)])
labels = np.repeat([0, 1], [600, 100])

# %%
# The same detectors with more and more anomalies among 800 training rows. A nearest neighbour takes anomalies that form a
# group for normal as soon as it has seen one of them. Trimming removes them, as long as it is more than their share.

variants = {
    "default": {},
    "recipe nearest": {"recipe": "nearest"},
    "nearest, 20 % trimmed": {"recipe": "nearest", "preprocessing": Preprocessing(trim_fraction=0.2)},
}
shares = (0, 0.02, 0.05, 0.1)
quality = {name: [] for name in variants}
for share in shares:
    n = round(800 * share)
    X = np.vstack([normal_rows(800 - n), anomalous_rows(n)])
    for name, options in variants.items():
        detector = Blend(alpha=0.05, random_state=0, **options).fit(X)
        quality[name].append(roc_auc_score(labels, detector.anomaly_score(new)))

fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
for name, values in quality.items():
    ax.plot(shares, values, marker="o", label=name)
ax.set(xlabel="share of anomalies among the training rows", ylabel="AUROC of new rows", title="Contamination")
ax.legend()

# %%
# If all there is is one table, ``detect`` finds the anomalies in it. ``contamination`` is the share to flag.

X, is_anomaly = np.vstack([normal_rows(760), anomalous_rows(40)]), np.arange(800) >= 760
found = detect(X, contamination=0.05)
flagged = found.labels_ == 1
print(f"flagged: {flagged.sum()}, of them anomalies: {(flagged & is_anomaly).sum()} of {is_anomaly.sum()}")

fig, ax = plt.subplots(figsize=(5.5, 4), layout="constrained")
for kind, label in ((False, "normal"), (True, "anomaly")):
    ax.scatter(*X[is_anomaly == kind, :2].T, s=8, label=label)
ax.scatter(*X[flagged, :2].T, s=50, facecolors="none", edgecolors="tab:red", label="flagged")
ax.set(xlabel="column 0", ylabel="column 1", title="Two of four columns")
ax.legend(fontsize="small")
