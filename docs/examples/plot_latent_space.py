"""
EGBAD's latent space
====================

EGBAD trains an encoder E, which maps a row to a latent z, and a generator G, which maps a latent to a row. A normal row
survives the way through both; an anomalous one does not. With three columns and two latents, all of this can be drawn.
"""

import matplotlib.pyplot as plt
import numpy as np

from egbad import EGBAD, EarlyStopping, TrainingConfig
from egbad.plot import loss_curves

# %%
# Normal rows lie near a closed curve in space: a circle in the first two columns, while the third column rises and falls
# twice on the way round. Every value by itself says nothing; the three must fit together.

rng = np.random.default_rng(0)


def on_curve(angle):
    """Return the row of each angle."""
    return np.column_stack([np.cos(angle), np.sin(angle), np.sin(2 * angle)])


angle = rng.uniform(0, 2 * np.pi, 2000)
X = on_curve(angle) + rng.normal(scale=0.05, size=(2000, 3))

detector = EGBAD(
    n_latent=2,
    training=TrainingConfig(steps=700, learning_rate=2e-3),
    early_stopping=EarlyStopping(patience=None),
    random_state=0,
).fit(X)

# %%
# Left: the latents E(x). They form a closed curve on which the angle, shown by colour, goes round once: E has found the
# one number that describes a normal row. Right: the third column of the rows, and of their reconstructions G(E(x)).

z, X_hat = detector.transform(X), detector.reconstruct(X)

fig, axes = plt.subplots(1, 2, figsize=(7.5, 3.4), layout="constrained")
axes[0].scatter(*z.T, c=angle, s=5, cmap="twilight")
axes[0].set(title="latents E(x), coloured by angle", xlabel="z1", ylabel="z2")
axes[1].scatter(angle, X[:, 2], s=5, color="lightgray", label="x")
axes[1].scatter(angle, X_hat[:, 2], s=5, color="tab:orange", label="G(E(x))")
axes[1].set(title="third column", xlabel="angle")
axes[1].legend(loc="lower left", markerscale=3)

# %%
# The score of rows on the circle with any third value. It is low along the curve of normal rows, and rises on both sides
# of it. The blue line is the threshold for a false-alarm rate of 1 percent.

angles, third = np.meshgrid(np.linspace(0, 2 * np.pi, 80), np.linspace(-2, 2, 60))
rows = on_curve(angles.ravel())
rows[:, 2] = third.ravel()
scores = detector.anomaly_score(rows).reshape(angles.shape)

fig, ax = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
image = ax.contourf(angles, third, scores, levels=20, cmap="magma_r")
ax.contour(angles, third, scores, levels=[detector.threshold_], colors="tab:blue")
ax.scatter(angle[:500], X[:500, 2], s=4, color="black")
ax.set(title="anomaly score; black: training rows", xlabel="angle", ylabel="third column")
fig.colorbar(image, label="anomaly score")

# %%
# The losses of the players: D on its pairs, and E and G together, cycle consistency included.

ax = loss_curves(detector)
ax.set_title("Losses")
