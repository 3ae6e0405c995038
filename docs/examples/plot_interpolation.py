"""
From one image to another in latent space
=========================================

EGBAD's encoder turns an image into a latent z. Between two latents lie others, and the generator draws an image for
each. A path through pixels shows two images on top of each other; a path through latents stays closer to images like
those of the training.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from egbad import EGBAD
from egbad.plot import latent_scatter

# %%
# The model learns zeros, ones and sixes, with eight latents.

digits = load_digits()
learned = np.isin(digits.target, (0, 1, 6))
X, target = digits.images[learned], digits.target[learned]
detector = EGBAD(n_latent=8, alpha=0.05, random_state=0).fit(X[:480])

# %%
# The first row goes from a zero to a six through pixels, the second through latents: G((1 - t) E(x) + t E(y)).

new, new_target = X[480:], target[480:]
scores = detector.anomaly_score(new)


def typical(digit):
    """Return the new image of a digit with the median score."""
    of_digit = np.flatnonzero(new_target == digit)
    return new[of_digit[np.argsort(scores[of_digit])[len(of_digit) // 2]]]


x, y = typical(0), typical(6)
t = np.linspace(0, 1, 9)[:, None]
z_x, z_y = detector.transform(np.stack([x, y]))
by_latents = detector.inverse_transform((1 - t) * z_x + t * z_y)
by_pixels = (1 - t[:, :, None]) * x + t[:, :, None] * y

fig, axes = plt.subplots(2, 9, figsize=(8, 2.2), layout="constrained")
for line, images, label in zip(axes, (by_pixels, by_latents), ("pixels", "latents"), strict=True):
    line[0].set_ylabel(label)
    for ax, image in zip(line, images, strict=True):
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])

# %%
# The anomaly score along both paths. Halfway between the digits it rises on either path, since nobody writes such a
# digit. Images that the generator draws have lower scores than mixtures of pixels, and so have the ends: G(E(x)) is x
# without what is unusual about it.

fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
for images, label in ((by_pixels, "through pixels"), (by_latents, "through latents")):
    ax.plot(t[:, 0], detector.anomaly_score(images), marker=".", label=label)
ax.axhline(detector.threshold_, color="black", linestyle="--", label="threshold")
ax.set(xlabel="t", ylabel="anomaly score", title="From a zero to a six")
ax.legend()

# %%
# The latents of all training images, by their first two principal components. The three digits form groups although the model
# knows no labels.

ax = latent_scatter(detector, X, labels=target)
ax.set_title("latents E(x) of three digits")
