"""
Networks of your own
====================

``EGBAD`` and ``BiGAN`` take an encoder E, a generator G and a discriminator D of your own, as plain torch modules. That is the
place for what is known about the data. Here the rows are one turn of a machine in 64 values. A normal turn is a sum of a
few harmonics, and a generator that adds up harmonics can give nothing else.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from egbad import EGBAD, TrainingConfig

# %%
# Amplitudes and phases differ from turn to turn. An anomalous turn has a short knock at a random place, which is smaller than
# the vibration itself.

N_HARMONICS = 3
turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)


def turns(n, seed, *, knock=0.0):
    """Return n turns of 64 values, with a knock of a height."""
    rng = np.random.default_rng(seed)
    order = np.arange(1, N_HARMONICS + 1)
    phase, amplitude = rng.uniform(0, 2 * np.pi, (2, n, N_HARMONICS))
    waves = amplitude[..., None] / 6 * np.sin(order[:, None] * turn + phase[..., None])
    distance = np.arange(64) - rng.integers(4, 60, size=(n, 1))
    return waves.sum(axis=1) + knock * np.exp(-(distance**2) / 4) + rng.normal(scale=0.1, size=(n, 64))


X = turns(400, 0)
new, y = np.concatenate([turns(200, 1), turns(200, 2, knock=0.8)]), np.repeat([0, 1], 200)

# %%
# The function gets the shape of a row and the length of z, and returns E, G and D. G turns z into the coefficients of
# sines and cosines. D returns logits and, for the part of the score that compares features, the layer before them.


class Harmonics(nn.Module):
    """G: z -> coefficients -> sum of sines and cosines."""

    def __init__(self, d, n_latent):
        super().__init__()
        self.coefficients = nn.Sequential(nn.Linear(n_latent, 32), nn.SiLU(), nn.Linear(32, 2 * N_HARMONICS))
        angle = torch.arange(1, N_HARMONICS + 1)[:, None] * torch.arange(d) * (2 * torch.pi / d)
        self.register_buffer("waves", torch.cat([angle.sin(), angle.cos()]))

    def forward(self, z):
        """Return rows (n, d)."""
        return self.coefficients(z) @ self.waves


class Pairs(nn.Module):
    """D: two layers for x and z side by side."""

    def __init__(self, d, n_latent):
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(d + n_latent, 64), nn.SiLU(), nn.Linear(64, 32), nn.SiLU())
        self.out = nn.Linear(32, 1)

    def forward(self, x, z):
        """Return logits (n, 1) and features (n, 32)."""
        f = self.hidden(torch.cat([x, z], dim=1))
        return self.out(f), f


def networks(shape, n_latent):
    """Return E, G and D for rows of d columns."""
    (d,) = shape
    e = nn.Sequential(nn.Linear(d, 32), nn.SiLU(), nn.Linear(32, n_latent))
    return e, Harmonics(d, n_latent), Pairs(d, n_latent)


# %%
# Both detectors have the same losses, score and training.

options = {
    "n_latent": 2 * N_HARMONICS,
    "training": TrainingConfig(steps=500, learning_rate=2e-3),
    "alpha": 0.05,
    "random_state": 0,
}
detectors = {"built-in": EGBAD(**options).fit(X), "harmonics": EGBAD(networks=networks, **options).fit(X)}
for name, detector in detectors.items():
    n_weights = detector.describe()["weights"]
    print(f"{name}: AUROC {roc_auc_score(y, detector.anomaly_score(new)):.3f}, {n_weights:,} weights")

# %%
# Left: an anomalous turn and its reconstruction. Right: the scores of all new turns. What G cannot give is left in the
# residual, and the knock stands out.

example = turns(1, 7, knock=0.8)
fig, axes = plt.subplots(2, 2, figsize=(7.5, 4.2), layout="constrained")
for (name, detector), (left, right) in zip(detectors.items(), axes, strict=True):
    left.plot(example[0], label="turn", color="0.6")
    left.plot(detector.reconstruct(example)[0], label="reconstruction")
    left.set_title(name, fontsize=10)
    scores = detector.anomaly_score(new)
    bins = np.linspace(scores.min(), scores.max(), 40)
    right.hist([scores[y == 0], scores[y == 1]], bins, label=["normal", "knock"], histtype="stepfilled", alpha=0.6)
    right.axvline(detector.threshold_, color="black", linestyle="--", label="threshold")
    right.set_title("scores", fontsize=10)
axes[0, 0].legend(fontsize=8, loc="upper center")
axes[0, 1].legend(fontsize=8)
