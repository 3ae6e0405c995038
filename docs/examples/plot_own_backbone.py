"""
A backbone of your own
======================

A backbone is a frozen network that describes images. Any torch module that takes images (n, 3, h, w) can be one. This
example trains a small network to tell digits apart, and then uses its features to find what is no digit.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from torch import nn

from egbad.backbones import FeatureConfig, HookedModule
from egbad.detectors import Gaussian

# %%
# The network learns the digits 0 to 6, enlarged to 32 x 32 pixels, with labels. This takes seconds.

digits = load_digits()
images = np.kron(digits.images / 16, np.ones((4, 4))).astype(np.float32)
images = np.repeat(images[:, None], 3, axis=1)  # RGB
target = digits.target

torch.manual_seed(0)
network = nn.Sequential(
    *(nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU()),
    *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()),
    *(nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU()),
    *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 7)),
)
known = np.flatnonzero(target < 7)
train, held_out = known[:900], known[900:]
x, y = torch.from_numpy(images[train]), torch.from_numpy(target[train])
optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
for _ in range(15):
    for batch in torch.randperm(len(x)).split(64):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
        optimizer.step()

# %%
# ``HookedModule`` finds the layers that return maps. Mean and standard deviation are what the network expects of its
# input: here nothing is normalised.

backbone = HookedModule(network, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), input_size=32)
for layer in backbone.layers:
    print(f"layer {layer}: {backbone.channels[layer]} channels, stride {backbone.strides[layer]}")

# %%
# A detector learns the features of the digits 0 to 6, without labels. The digits 7, 8 and 9 are new to the network
# and to the detector.

options = {"alpha": 0.05, "random_state": 0}
by_features = Gaussian(
    backbone=backbone, feature_config=FeatureConfig(global_size=32, match_brightness=False), **options
).fit(images[train])
by_pixels = Gaussian(**options).fit(images[train])

new = np.concatenate([held_out, np.flatnonzero(target >= 7)])
fig, axes = plt.subplots(1, 2, figsize=(7.5, 3), layout="constrained")
for ax, (name, detector) in zip(axes, {"own backbone": by_features, "pixels": by_pixels}.items(), strict=True):
    scores = detector.anomaly_score(images[new])
    auroc = roc_auc_score(target[new] >= 7, scores)
    bins = np.geomspace(scores.min(), scores.max(), 40)
    ax.hist(scores[target[new] < 7], bins, alpha=0.7, label="0 to 6")
    ax.hist(scores[target[new] >= 7], bins, alpha=0.7, label="7, 8, 9")
    ax.set(title=f"{name}: AUROC {auroc:.3f}", xlabel="anomaly score", xscale="log")
axes[0].legend()
