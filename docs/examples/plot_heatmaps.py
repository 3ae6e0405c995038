"""
Defects of tiles, and where they are
====================================

Photographs of one kind of surface look alike patch by patch. ``PatchCore`` keeps a memory of normal patches, each
described by a pretrained network, and compares the patches of a new image with it. Needs ``pip install
'egbad[backbones]'``.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter

from egbad.detectors import PatchCore
from egbad.plot import heatmap

# %%
# Tiles of glazed clay: a mottled colour, a darker joint and grain. Forty are good; four new ones have a crack, a
# chip, a spot or a scratch.


def tile(seed, defect=None):
    """Return a picture of a tile, of 160 x 160 pixels."""
    rng = np.random.default_rng(seed)
    mottled = gaussian_filter(rng.normal(size=(160, 160)), 9)
    grain = rng.normal(scale=0.015, size=(160, 160))
    image = np.array([0.62, 0.45, 0.36])[:, None, None] * (1 + 1.2 * mottled + grain)
    y, x = np.mgrid[:160, :160]
    image *= np.where(np.minimum(np.minimum(x, 159 - x), np.minimum(y, 159 - y)) < 5, 0.6, 1)
    if defect == "crack":
        path = 80 + np.cumsum(rng.normal(scale=1.2, size=90))
        for row, column in enumerate(path.astype(int), 40):
            image[:, row, column : column + 2] *= 0.45
    elif defect == "chip":
        image *= np.where((x - 120) ** 2 + (y - 45) ** 2 < 130, 1.45, 1)
    elif defect == "spot":
        image *= np.where(np.hypot(x - 55, y - 110) < 8, np.array([0.5, 0.6, 1.3])[:, None, None], 1)
    elif defect == "scratch":
        image *= np.where((np.abs(0.6 * x - y + 20) < 1.2) & (x > 40) & (x < 110), 1.35, 1)
    return (255 * image.clip(0, 1)).astype(np.uint8)


good = np.stack([tile(seed) for seed in range(40)])
defects = ("crack", "chip", "spot", "scratch")
new = np.stack([tile(100), tile(101), *(tile(102 + i, defect) for i, defect in enumerate(defects))])

detector = PatchCore(alpha=0.1, calibration_fraction=0.25, random_state=0).fit(good)
scores, maps = detector.anomaly_score(new), detector.anomaly_map(new)

# %%
# All maps have one colour scale, that of good tiles, so that a good tile stays without colours. Contours surround
# what is above the pixel threshold.

scale, limit = detector.map_scale(), detector.pixel_threshold()
fig, axes = plt.subplots(2, 6, figsize=(9, 3.4), layout="constrained")
for column, (image, anomaly_map, score) in enumerate(zip(new, maps, scores, strict=True)):
    name = ("good", "good", *defects)[column]
    axes[0, column].imshow(image.transpose(1, 2, 0))
    axes[0, column].set_title(f"{name}\n{score:.2f}{' flagged' if score > detector.threshold_ else ''}", fontsize=9)
    axes[1, column].imshow(heatmap(image, anomaly_map, scale=scale, threshold=limit))
for ax in axes.flat:
    ax.axis("off")

# %%
# ``regions`` names the anomalous places: box, size and share of the score.

for name, regions in zip(defects, detector.explain(new[2:]).regions(1), strict=True):
    for region in regions:
        print(f"{name}: {region.name}, x {region.left} to {region.right}, y {region.top} to {region.bottom}")
