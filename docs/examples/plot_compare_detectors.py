"""
Detectors on four shapes
========================

The scores of seven detectors in the plane. Blue lines are thresholds for a false-alarm rate of 2 percent. No detector
suits every shape: boxes, straight lines and dense groups are what some methods can describe and others cannot.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from egbad import EGBAD, Blend, TrainingConfig
from egbad.detectors import KNN, PCA, VAE, Gaussian, IsolationForest

# %%
# Normal rows of four shapes, with 10 percent held out to set the threshold.

rng = np.random.default_rng(0)
n = 1000
angle = rng.uniform(0, 2 * np.pi, n)
groups = np.array([[-1.0, -0.6], [1.0, 0.7]])[rng.integers(2, size=n)] * [1, 1]
shapes = {
    "line": np.column_stack([x := rng.uniform(-1.3, 1.3, n), 0.7 * x]) + rng.normal(scale=0.08, size=(n, 2)),
    "groups": groups + rng.normal(scale=0.2, size=(n, 2)) * np.where(groups[:, :1] < 0, 0.6, 1.3),
    "ring": np.column_stack([np.cos(angle), np.sin(angle)]) * 1.1 + rng.normal(scale=0.08, size=(n, 2)),
    "moons": (make_moons(n, noise=0.06, random_state=0)[0] - [0.5, 0.25]) * 1.1,
}
detectors = {
    "EGBAD": lambda: EGBAD(n_latent=2, training=TrainingConfig(steps=300), alpha=0.02, random_state=0),
    "VAE": lambda: VAE(n_latent=2, training=TrainingConfig(steps=300), alpha=0.02, random_state=0),
    "Blend": lambda: Blend(recipe="nearest", alpha=0.02, random_state=0),
    "KNN": lambda: KNN(alpha=0.02, random_state=0),
    "Gaussian": lambda: Gaussian(alpha=0.02, random_state=0),
    "PCA": lambda: PCA(alpha=0.02, random_state=0),
    "IsolationForest": lambda: IsolationForest(alpha=0.02, random_state=0),
}

# %%
# Dark is anomalous. Colours follow the rank of a score among those of the plane, since scores of two detectors have
# no common unit.

x1, x2 = np.meshgrid(np.linspace(-2, 2, 50), np.linspace(-2, 2, 50))
grid = np.column_stack([x1.ravel(), x2.ravel()])

fig, axes = plt.subplots(len(shapes), len(detectors), figsize=(9.5, 5.8), layout="constrained")
for line, (shape, X) in zip(axes, shapes.items(), strict=True):
    for ax, (name, make) in zip(line, detectors.items(), strict=True):
        detector = make().fit(X)
        scores = detector.anomaly_score(grid)
        ranks = np.searchsorted(np.sort(scores), scores).reshape(x1.shape)
        ax.contourf(x1, x2, ranks, levels=12, cmap="magma_r", alpha=0.8)
        ax.contour(x1, x2, scores.reshape(x1.shape), levels=[detector.threshold_], colors="tab:blue")
        ax.scatter(*X[:150].T, s=1, color="black")
        ax.set(xticks=[], yticks=[], aspect="equal")
        if shape == "line":
            ax.set_title(name, fontsize=9)
    line[0].set_ylabel(shape)
