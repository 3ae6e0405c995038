"""
Members of an ensemble, and how much they disagree
==================================================

Detectors with networks vary from seed to seed. ``members=5`` trains five networks side by side; the score is their
mean. The spread of their scores tells how far a score can be trusted.
"""

import matplotlib.pyplot as plt
import numpy as np

from egbad import EGBAD, EarlyStopping, TrainingConfig

# %%
# Normal rows lie on a ring.

rng = np.random.default_rng(0)
angle = rng.uniform(0, 2 * np.pi, 1500)
X = np.column_stack([np.cos(angle), np.sin(angle)]) + rng.normal(scale=0.06, size=(1500, 2))

options = {"n_latent": 2, "training": TrainingConfig(steps=200), "early_stopping": EarlyStopping(patience=None)}
ensemble = EGBAD(members=5, random_state=0, **options).fit(X)

# %%
# The mean score, and the standard deviation of the five scores, of every point of the plane. The members agree on the
# ring, where there was data, and disagree in places that no training row has described.

x1, x2 = np.meshgrid(np.linspace(-2, 2, 60), np.linspace(-2, 2, 60))
grid = np.column_stack([x1.ravel(), x2.ravel()])
score, spread = ensemble.anomaly_score(grid).reshape(x1.shape), ensemble.score_spread(grid).reshape(x1.shape)

fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained", sharey=True)
for ax, values, title in zip(axes, (score, spread), ("mean score", "spread of five members"), strict=True):
    fig.colorbar(ax.contourf(x1, x2, values, levels=16, cmap="magma_r"), ax=ax)
    ax.scatter(*X[:400].T, s=3, color="tab:blue")
    ax.set(title=title, aspect="equal")

# %%
# Where a score lies near the threshold and its spread is large, look twice. The rows below lie on a line from the
# centre to the outside.

radius = np.linspace(0, 2, 60)
line = np.column_stack([radius, np.zeros(60)])
score, spread = ensemble.anomaly_score(line), ensemble.score_spread(line)

fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.plot(radius, score, label="mean score")
ax.fill_between(radius, score - spread, score + spread, alpha=0.3, label="plus and minus the spread")
ax.axhline(ensemble.threshold_, color="black", linestyle="--", label="threshold")
ax.set(xlabel="distance from the centre", ylabel="anomaly score", title="The ring has radius 1")
ax.legend()
