"""
AnoGAN's search against EGBAD's single pass
===========================================

AnoGAN has a generator and no encoder. To redraw a row it searches the latent z with gradient descent, hundreds of
steps for each row. EGBAD learns an encoder, which gives z in one pass. That is the idea of its paper.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score

from egbad import EGBAD, TrainingConfig
from egbad.detectors import AnoGAN

# %%
# Normal rows lie near a plane in space: the third column follows from the other two. The anomalies leave the plane.

rng = np.random.default_rng(0)


def plane(n, noise):
    """Return n points at some distance from the plane."""
    a, b = rng.normal(size=(2, n))
    return np.column_stack([a, b, 0.7 * a - 0.7 * b + noise * rng.normal(size=n)])


X, X_new = plane(1500, 0.05), np.vstack([plane(150, 0.05), plane(150, 0.8)])
is_anomaly = np.repeat([False, True], 150)

egbad = EGBAD(n_latent=2, training=TrainingConfig(steps=500), random_state=0).fit(X)
started = time.perf_counter()
scores = egbad.anomaly_score(X_new)
seconds = {"EGBAD": time.perf_counter() - started}
quality = {"EGBAD": roc_auc_score(is_anomaly, scores)}

# %%
# AnoGAN with searches of three lengths. The seed is the same, so the trained networks are the same, too; what differs
# is the number of steps that each new row costs.

lengths = (5, 30, 100)
for steps in lengths:
    anogan = AnoGAN(n_latent=2, training=TrainingConfig(steps=1000), search_steps=steps, random_state=0).fit(X)
    started = time.perf_counter()
    scores = anogan.anomaly_score(X_new)
    seconds[steps] = time.perf_counter() - started
    quality[steps] = roc_auc_score(is_anomaly, scores)

fig, axes = plt.subplots(1, 2, figsize=(7.5, 3.2), layout="constrained")
for ax, values, name in zip(axes, (quality, seconds), ("AUROC", "seconds for 300 rows"), strict=True):
    ax.plot(lengths, [values[steps] for steps in lengths], marker="o", label="AnoGAN")
    ax.axhline(values["EGBAD"], color="tab:orange", label="EGBAD, one pass")
    ax.set(xlabel="steps of the search", ylabel=name, xscale="log", title=name)
axes[1].set_yscale("log")
axes[0].legend()

# %%
# The third column of each row and of its reconstruction. AnoGAN's generator is trained by the adversarial loss alone.
# After a training as short as this one it leaves out a part of the normal rows, and no search can find what it does
# not draw. EGBAD's default recipe also asks that G(E(x)) is close to x.

fig, axes = plt.subplots(1, 2, figsize=(7.5, 3.6), layout="constrained", sharey=True)
for ax, detector, title in zip(axes, (anogan, egbad), ("AnoGAN", "EGBAD"), strict=True):
    x_hat = detector.reconstruct(X_new)
    ax.axline((0, 0), slope=1, color="gray", linewidth=0.8)
    ax.scatter(X_new[~is_anomaly, 2], x_hat[~is_anomaly, 2], s=8, label="normal")
    ax.scatter(X_new[is_anomaly, 2], x_hat[is_anomaly, 2], s=8, label="anomalies")
    ax.set(title=title, xlabel="third column of x")
axes[0].set_ylabel("third column of G(z)")
axes[0].legend(loc="upper left", fontsize="small")
