"""
The two terms of EGBAD's score
==============================

EGBAD's score is A(x) = w L_G(x) + (1 - w) L_D(x). L_G is the residual: how far the reconstruction G(E(x)) is from x.
L_D asks the discriminator how differently it sees the two. ``score_terms`` returns both, weighted, so that they add
up to the score.
"""

import matplotlib.pyplot as plt
import numpy as np

from egbad import EGBAD, TrainingConfig

# %%
# Normal rows lie near a curve in space. One kind of anomaly leaves the curve, the other lies on it but beyond its
# end.

rng = np.random.default_rng(0)


def rows(t):
    """Return a row near the curve for each position t."""
    return np.column_stack([t, np.sin(3 * t), np.cos(3 * t), t**2]) + rng.normal(scale=0.03, size=(len(t), 4))


X = rows(rng.uniform(-1, 1, 3000))
new = {
    "normal": rows(rng.uniform(-1, 1, 500)),
    "off the curve": rows(rng.uniform(-1, 1, 100)) + rng.normal(scale=0.3, size=(100, 4)),
    "beyond its end": rows(rng.uniform(1.3, 1.6, 100)),
}
detector = EGBAD(training=TrainingConfig(steps=800), random_state=0).fit(X)
terms = {name: detector.score_terms(x) for name, x in new.items()}

# %%
# Each point is a row. Rows on a line parallel to the threshold have the same score, since the terms add up.

fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
for name, values in terms.items():
    ax.scatter(values["residual"], values["features"], s=8, label=name)
limits = ax.get_xlim(), ax.get_ylim()
ax.plot([0, detector.threshold_], [detector.threshold_, 0], color="black", linestyle="--", label="threshold")
ax.set(xlabel="residual term, w L_G", ylabel="feature term, (1 - w) L_D", xlim=limits[0], ylim=limits[1])
ax.legend()

# %%
# The mean of both terms. By default w is 0.9, so that the residual makes up most of the score.

w = detector.settings_.residual_weight
residual = [values["residual"].mean() for values in terms.values()]
features = [values["features"].mean() for values in terms.values()]

fig, axes = plt.subplots(1, 2, figsize=(7.5, 2.8), layout="constrained")
axes[0].bar(list(terms), residual, label="w L_G")
axes[0].bar(list(terms), features, bottom=residual, label="(1 - w) L_D")
axes[0].set(title=f"weighted terms, w = {w}")
axes[0].legend()
axes[1].bar(list(terms), np.array(features) / (1 - w), color="tab:orange", label="L_D")
axes[1].set(title="the feature term by itself, L_D")
for ax in axes:
    ax.tick_params("x", labelsize=8)
