"""
Networks of your own
====================

``EGBAD`` and ``BiGAN`` take an encoder E, a generator G and a discriminator D of your own, as plain torch modules. Here the
rows are signals of 64 values. The built-in networks for rows are fully connected; convolutions along the signal know that
neighbouring values belong together, and that a shape may occur anywhere.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from egbad import EGBAD, Preprocessing, TrainingConfig

# %%
# A normal signal has a few pulses, each with a fast rise and a slow fall, at random times. In an anomalous one, one of the
# pulses is reversed in time. All values are as usual then; only their order is not.


def pulses(n, seed, *, anomalous=False):
    """Return n signals of 64 values."""
    rng = np.random.default_rng(seed)
    t = np.arange(64)
    signals = rng.normal(scale=0.05, size=(n, 64))
    for signal in signals:
        starts = rng.choice(np.arange(0, 49, 16), size=3, replace=False) + rng.integers(0, 5, size=3)
        for i, start in enumerate(starts):
            after = t - start
            pulse = np.where((after >= 0) & (after < 12), np.exp(-after.clip(0, None) / 4), 0)
            if anomalous and i == 0:
                pulse[start : start + 12] = pulse[start : start + 12][::-1].copy()
            signal += pulse
    return signals


X = pulses(1500, 0)
new, y = np.concatenate([pulses(200, 1), pulses(200, 2, anomalous=True)]), np.repeat([0, 1], 200)

# %%
# The function gets the shape of a row and the length of z, and returns E, G and D. D returns logits and, for the term of
# the score that compares features, the layer before them.


class PairDiscriminator(nn.Module):
    """D: convolutions for x, one layer for z, and a layer that joins them."""

    def __init__(self, d, n_latent):
        super().__init__()
        self.x_side = nn.Sequential(*convolutions(d), nn.Linear(8 * d, 64), nn.LeakyReLU(0.1))
        self.z_side = nn.Sequential(nn.Linear(n_latent, 64), nn.LeakyReLU(0.1))
        self.joint = nn.Sequential(nn.Linear(128, 64), nn.LeakyReLU(0.1))
        self.out = nn.Linear(64, 1)

    def forward(self, x, z):
        """Return logits (n, 1) and features (n, 64)."""
        f = self.joint(torch.cat([self.x_side(x), self.z_side(z)], dim=1))
        return self.out(f), f


def convolutions(d):
    """Return layers from rows (n, d) to flat features (n, 8 d)."""
    return (
        nn.Unflatten(1, (1, d)),
        nn.Conv1d(1, 16, 5, stride=2, padding=2),
        nn.LeakyReLU(0.1),
        nn.Conv1d(16, 32, 5, stride=2, padding=2),
        nn.LeakyReLU(0.1),
        nn.Flatten(),
    )


def networks(shape, n_latent):
    """Return E, G and D for signals of shape (d,), d a multiple of 4."""
    (d,) = shape
    e = nn.Sequential(*convolutions(d), nn.Linear(8 * d, n_latent))
    g = nn.Sequential(
        nn.Linear(n_latent, 8 * d),
        nn.ReLU(),
        nn.Unflatten(1, (32, d // 4)),
        nn.ConvTranspose1d(32, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose1d(16, 1, 4, stride=2, padding=1),
        nn.Flatten(),
    )
    return e, g, PairDiscriminator(d, n_latent)


# %%
# Both detectors have the same losses, score and training.

options = {
    "n_latent": 16,
    "training": TrainingConfig(steps=600, learning_rate=1e-3),
    "preprocessing": Preprocessing(scaling="minmax"),
    "random_state": 0,
}
detectors = {"built-in": EGBAD(**options).fit(X), "convolutions": EGBAD(networks=networks, **options).fit(X)}
for name, detector in detectors.items():
    n_weights = detector.describe()["weights"]
    print(f"{name}: AUROC {roc_auc_score(y, detector.anomaly_score(new)):.3f}, {n_weights:,} weights")

# %%
# An anomalous signal, its reconstruction by both, and the scores of all new signals.

fig, axes = plt.subplots(2, 2, figsize=(7.5, 4.2), layout="constrained")
for (name, detector), (left, right) in zip(detectors.items(), axes, strict=True):
    left.plot(new[201], label="signal", color="0.6")
    left.plot(detector.reconstruct(new[201:202])[0], label="reconstruction")
    left.set_title(name, fontsize=10)
    scores = detector.anomaly_score(new)
    bins = np.linspace(scores.min(), scores.max(), 40)
    right.hist([scores[y == 0], scores[y == 1]], bins, label=["normal", "anomalous"], histtype="stepfilled", alpha=0.6)
    right.axvline(detector.threshold_, color="black", linestyle="--", label="threshold")
    right.set_title("scores", fontsize=10)
for ax in axes[0]:
    ax.legend(fontsize=8)
