"""
P-values and false discovery rate
=================================

The p-value of a row is the share of normal rows with a score at least as high. ``predict`` compares it with
``alpha``: that limits false alarms among normal rows. In a large batch a few false alarms per hundred rows outnumber
the anomalies. ``discoveries`` limits their share among all flags.
"""

import matplotlib.pyplot as plt
import numpy as np

from egbad.detectors import KNN

# %%
# A batch of 4,000 rows of which 40 are anomalies.

rng = np.random.default_rng(0)
X = rng.normal(size=(6000, 3))
batch = np.vstack([rng.normal(size=(3960, 3)), rng.normal(loc=3.6, scale=0.6, size=(40, 3))])
is_anomaly = np.arange(4000) >= 3960

detector = KNN(alpha=0.01, calibration_fraction=0.5, random_state=0).fit(X)
p = detector.p_value(batch)
flagged = p <= 0.01
print(f"alpha = 0.01: {flagged.sum()} flags, {(flagged & ~is_anomaly).sum()} of them normal rows")

# %%
# Sorted p-values of normal rows lie on the diagonal. The method of Benjamini and Hochberg takes the last one below
# the line ``fdr * rank / n``, and all before it. The figure shows the smallest 80.

order, n = np.argsort(p, kind="stable"), len(p)
rank = np.arange(1, n + 1)
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for kind, label in ((False, "normal"), (True, "anomaly")):
    chosen = (is_anomaly[order] == kind) & (rank <= 80)
    ax.scatter(rank[chosen], p[order][chosen], s=14, label=label)
for fdr, style in ((0.05, "--"), (0.2, ":")):
    ax.plot(rank[:80], fdr * rank[:80] / n, color="black", linestyle=style, label=f"fdr = {fdr}")
ax.axhline(0.01, color="gray", linewidth=0.8, label="alpha = 0.01")
ax.set(xlabel="rank", ylabel="p-value", yscale="log", title="The smallest p-values of the batch")
ax.legend(fontsize="small")

# %%
# The limit holds for the mean over models and batches; in one batch the share may be higher. Here are the shares in 60
# batches, each scored by a model of its own.

shares = {0.05: [], 0.1: [], 0.2: []}
for seed in range(60):
    model = KNN(alpha=0.01, calibration_fraction=0.5, random_state=seed).fit(rng.normal(size=(4000, 3)))
    rows = np.vstack([rng.normal(size=(960, 3)), rng.normal(loc=3.6, scale=0.6, size=(40, 3))])
    for fdr, found in shares.items():
        chosen = model.discoveries(rows, fdr=fdr)
        found.append((chosen & (np.arange(1000) < 960)).sum() / max(1, chosen.sum()))

fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.boxplot([*shares.values()], tick_labels=[f"fdr = {fdr}" for fdr in shares], showmeans=True)
ax.plot([1, 2, 3], [*shares], marker="_", markersize=30, linestyle="none", color="tab:red", label="limit of the mean")
ax.set(ylabel="share of normal rows", title="False discoveries in 60 batches; triangles: means")
ax.legend()
