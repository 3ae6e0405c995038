"""
Images and their reconstructions
================================

EGBAD redraws an image as a normal one: the encoder E maps x to a latent, and the generator G draws from it. Where x
and G(E(x)) differ, x is not like the training images.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from egbad import EGBAD
from egbad.plot import reconstruction_grid

# %%
# The model learns threes. Then a three, an eight, a seven, a one and two damaged threes are redrawn.

digits = load_digits()
threes = digits.images[digits.target == 3]
detector = EGBAD(alpha=0.1, random_state=0).fit(threes[:150])

with_line, without_top = threes[160].copy(), threes[160].copy()
with_line[:, 1] = 16
without_top[:3] = 0
X = {
    "a new three": threes[160],
    "an eight": digits.images[digits.target == 8][2],
    "a seven": digits.images[digits.target == 7][2],
    "a one": digits.images[digits.target == 1][2],
    "with a line": with_line,
    "without top": without_top,
}
images = np.stack([*X.values()])

# %%
# In the last row red pixels are brighter in the image than in the reconstruction, blue ones are darker.

titles = [f"{name}\n{score:.2f}" for name, score in zip(X, detector.anomaly_score(images), strict=True)]
axes = reconstruction_grid(detector, images, titles=titles)

# %%
# Images that the generator draws from random latents. They resemble threes, because training also compares generated
# with real images.

fig, axes = plt.subplots(1, 10, figsize=(8, 1.1), layout="constrained")
for ax, x in zip(axes, detector.sample(10), strict=True):
    ax.imshow(x, cmap="gray", vmin=0, vmax=16)
    ax.set(xticks=[], yticks=[])
