"""
A backbone of your own
======================

A backbone is a frozen network that describes images. Any torch module that takes images (n, 3, h, w) can be one. Here
it is no learned network but a bank of Gabor filters, which respond to the direction and the width of stripes.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from egbad.backbones import FeatureConfig, HookedModule
from egbad.detectors import PatchCore
from egbad.plot import heatmap

# %%
# Twill cloth has diagonal stripes. A weaving fault turns them, in a place where the mean and the contrast of the
# image stay the same.


def twill(seed, fault=None):
    """Return a picture of cloth of 96 x 96 pixels; `fault` is the centre of a place with turned stripes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:96, :96]
    stripes = np.sin((x + y) * 0.7 + rng.uniform(0, 6))
    if fault:
        inside = np.hypot(x - fault[0], y - fault[1]) < 11
        stripes = np.where(inside, np.sin((x - y) * 0.7), stripes)
    image = 0.5 + 0.2 * stripes + rng.normal(scale=0.05, size=(96, 96))
    return np.repeat(image[None].clip(0, 1), 3, axis=0).astype(np.float32)


# %%
# The module: filters in eight directions and two widths, the size of their responses, and a mean over 8 x 8 pixels.


class GaborBank(nn.Module):
    """Mean sizes of the responses of Gabor filters."""

    def __init__(self):
        super().__init__()
        y, x = torch.meshgrid(torch.arange(-7.0, 8), torch.arange(-7.0, 8), indexing="ij")
        kernels = []
        for width in (6.0, 10.0):
            for angle in torch.arange(8) * torch.pi / 8:
                along = x * torch.cos(angle) + y * torch.sin(angle)
                wave = torch.cos(2 * torch.pi * along / width) * torch.exp(-(x**2 + y**2) / 18)
                kernels.append(wave - wave.mean())
        self.filters = nn.Conv2d(3, len(kernels), 15, padding=7, bias=False)
        self.filters.weight.data = torch.stack(kernels)[:, None].repeat(1, 3, 1, 1)
        self.pool = nn.AvgPool2d(8)

    def forward(self, x):
        """Return maps (n, 16, h / 8, w / 8) of images (n, 3, h, w)."""
        return self.pool(self.filters(x).abs())


bank = GaborBank()
kernels = bank.filters.weight[:, 0].detach()
fig, axes = plt.subplots(2, 8, figsize=(7.5, 2), layout="constrained")
for ax, kernel in zip(axes.flat, kernels, strict=True):
    ax.imshow(kernel, cmap="RdBu_r")
    ax.set(xticks=[], yticks=[])

# %%
# ``HookedModule`` finds the layers that return maps. Mean and standard deviation are what the module expects of its
# input: here nothing is normalised. ``PatchCore`` then learns which responses are normal.

backbone = HookedModule(bank, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), input_size=96)
for layer in backbone.layers:
    print(f"layer {layer}: {backbone.channels[layer]} channels, stride {backbone.strides[layer]}")

detector = PatchCore(
    backbone=backbone,
    feature_config=FeatureConfig(layers=["pool"], image_size=96, match_brightness=False),
    alpha=0.1,
    calibration_fraction=0.3,
    random_state=0,
).fit(np.stack([twill(seed) for seed in range(40)]))

# %%
# New pictures, two of them with a fault.

new = np.stack([twill(100), twill(101), twill(102, (60, 40)), twill(103, (30, 65))])
scores, maps = detector.anomaly_score(new), detector.anomaly_map(new)
scale, limit = detector.map_scale(), detector.pixel_threshold()

fig, axes = plt.subplots(2, 4, figsize=(7.5, 4), layout="constrained")
for column, (image, anomaly_map, score) in enumerate(zip(new, maps, scores, strict=True)):
    flag = " flagged" if score > detector.threshold_ else ""
    axes[0, column].set_title(f"{score:.2f}{flag}", fontsize=9)
    axes[0, column].imshow(image.transpose(1, 2, 0))
    axes[1, column].imshow(heatmap(image, anomaly_map, scale=scale, threshold=limit))
for ax in axes.flat:
    ax.axis("off")
