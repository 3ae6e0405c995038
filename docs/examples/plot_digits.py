"""
Learn one digit, find the others
================================

EGBAD learns images of one handwritten digit and is shown all ten. It has never seen another digit, and needs no
example of one.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from egbad import EGBAD

# %%
# The images have 8 x 8 pixels. 130 of the 178 zeros are for training; the other 48 are scored like the other digits.

images, target = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8)
zeros = np.flatnonzero(target == 0)
detector = EGBAD(alpha=0.1, random_state=0).fit(images[zeros[:130]])

new = np.setdiff1d(np.arange(len(images)), zeros[:130])
scores = detector.anomaly_score(images[new])
print(f"AUROC: {roc_auc_score(target[new] != 0, scores):.3f}")

# %%
# The scores of each digit. The line is the threshold: about one zero in ten may lie above it.

fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
ax.boxplot([scores[target[new] == digit] for digit in range(10)], tick_labels=range(10), showfliers=False)
ax.axhline(detector.threshold_, color="tab:red", linestyle="--", label="threshold")
ax.set(xlabel="digit", ylabel="anomaly score", title="Trained on zeros only")
ax.legend()

# %%
# The least anomalous images among the other digits, and the most anomalous zeros: what is hard to tell apart.

is_zero = target[new] == 0
order = np.argsort(scores)
rows = {
    "zeros with the highest scores": [i for i in order[::-1] if is_zero[i]][:8],
    "other digits with the lowest scores": [i for i in order if not is_zero[i]][:8],
    "other digits with the highest scores": [i for i in order[::-1] if not is_zero[i]][:8],
}
fig, axes = plt.subplots(3, 8, figsize=(7, 3.6), layout="constrained")
fig.get_layout_engine().set(h_pad=0.12, rect=(0, 0, 1, 0.95))
for line, (title, chosen) in zip(axes, rows.items(), strict=True):
    line[0].text(0, 1.1, title, fontsize=9, transform=line[0].transAxes, in_layout=False)
    for ax, i in zip(line, chosen, strict=True):
        ax.imshow(images[new[i]], cmap="gray_r")
        ax.set(xticks=[], yticks=[])
        ax.set_xlabel(f"{scores[i]:.2f}", fontsize=8)
