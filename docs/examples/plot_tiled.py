"""
A small defect in a large image
===============================

A detector that shrinks a large image to its own input size may lose small defects. ``Tiled`` cuts the image into
overlapping tiles at full resolution, learns tiles, and gives an image the score of its most anomalous tile.
"""

import matplotlib.pyplot as plt
import numpy as np

from egbad.detectors.tiled import Tiled

# %%
# Woven cloth of 512 x 384 pixels. A defect, one thread that is missing over 30 pixels, covers less than 0.05 percent of
# the image.


def cloth(seed, defect=None):
    """Return an image of cloth; `defect` is the row and column where a missing thread begins."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:512, :384]
    phase = rng.uniform(0, 8, 2)
    weave = np.sin((x + phase[0]) * np.pi / 4) + np.sin((y + phase[1]) * np.pi / 4)
    image = 120 + 35 * weave + rng.normal(scale=8, size=x.shape)
    if defect:
        row, column = defect
        image[row : row + 3, column : column + 30] = 45 + rng.normal(scale=8, size=(3, 30))
    return image.clip(0, 255).astype(np.uint8)


good = [cloth(seed) for seed in range(30)]
new = [cloth(100), cloth(101), cloth(102, (300, 210)), cloth(103, (90, 60))]

detector = Tiled(detector="pca", tile_size=32, alpha=0.1, calibration_fraction=0.4, random_state=0).fit(good)
for name, p_value in zip(("good", "good", "defect", "defect"), detector.p_value(new), strict=True):
    print(f"{name}: p-value {p_value:.2f}, flagged: {p_value <= detector.alpha}")

# %%
# The anomaly map is joined from the tiles. It has the size of the image.

image, anomaly_map = new[2], detector.anomaly_map([new[2]])[0]
row, column = np.unravel_index(anomaly_map.argmax(), anomaly_map.shape)

fig, axes = plt.subplots(1, 3, figsize=(8.5, 3.6), layout="constrained")
axes[0].imshow(image, cmap="gray")
axes[0].set_title("image of 512 x 384 pixels")
axes[1].imshow(anomaly_map, cmap="magma")
axes[1].set_title("anomaly map")
axes[2].imshow(image[row - 40 : row + 40, column - 40 : column + 40], cmap="gray")
axes[2].set_title("around the maximum")
for ax in axes:
    ax.axis("off")
