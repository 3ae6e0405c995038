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
# Normal rows lie on an arc in the plane. The anomalies are spread over the square.

rng = np.random.default_rng(0)


def arc(n):
    """Return n points of an arc."""
    t = rng.uniform(0.2 * np.pi, 1.2 * np.pi, n)
    return np.column_stack([np.cos(t), np.sin(t)]) + rng.normal(scale=0.03, size=(n, 2))


X, X_new = arc(1500), np.vstack([arc(150), rng.uniform(-1.4, 1.4, size=(150, 2))])
is_anomaly = np.repeat([False, True], 150)

egbad = EGBAD(n_latent=2, training=TrainingConfig(steps=500), random_state=0).fit(X)
started = time.perf_counter()
scores = egbad.anomaly_score(X_new)
seconds = {"EGBAD": time.perf_counter() - started}
quality = {"EGBAD": roc_auc_score(is_anomaly, scores)}

# %%
# AnoGAN with searches of three lengths. The seed is the same, so the trained networks are the same, too; what differs
# is the number of steps that each new row costs.

lengths = (5, 30, 150)
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
# Where both would redraw the points: gray lines lead from x to its reconstruction. AnoGAN's search had 150 steps.

fig, axes = plt.subplots(1, 2, figsize=(7.5, 3.8), layout="constrained", sharey=True)
for ax, detector, title in zip(axes, (anogan, egbad), ("AnoGAN", "EGBAD"), strict=True):
    x_hat = detector.reconstruct(X_new)
    for start, end in zip(X_new, x_hat, strict=True):
        ax.plot(*zip(start, end, strict=True), color="gray", linewidth=0.4)
    ax.scatter(*X_new[~is_anomaly].T, s=8, label="normal")
    ax.scatter(*X_new[is_anomaly].T, s=8, label="anomalies")
    ax.set(title=title, aspect="equal")
axes[0].legend(loc="upper left", fontsize="small")
