"""
Tune a detector without labels
==============================

``tune`` makes synthetic anomalies out of held-out normal rows, and judges parameters by how well a detector separates
the two. It keeps the defaults unless something else is better beyond the noise. Needs ``pip install 'egbad[tune]'``.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score

from egbad.detectors import KNN
from egbad.tuning import search_space, tune

# %%
# Six columns of which two belong together, on very different scales. The defaults of the nearest neighbour are a mean
# over five neighbours and standardised columns.

rng = np.random.default_rng(0)


def rows(n):
    """Return n normal rows."""
    a, b = rng.uniform(-2, 2, n), rng.lognormal(sigma=1, size=n)
    noise = rng.normal(scale=0.1, size=(3, n))
    return np.column_stack([a, np.sin(2 * a) + noise[0], b, b * (1 + noise[1]), rng.normal(size=n), 5 + noise[2]])


X = rows(1500)
print(search_space(KNN(), (6,)))

# %%
# All six choices are tried in three folds. Each point is a fold.

result = tune(X, "knn", n_trials=6, random_state=0)
print(f"chosen: {result.chosen.parameters or 'the defaults'}, judged by {result.judged_by}")

trials = sorted(result.trials, key=lambda trial: trial.auroc)
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
for place, trial in enumerate(trials):
    colour = "tab:orange" if trial is result.chosen else "tab:blue"
    ax.scatter(trial.fold_aurocs, [place] * len(trial.fold_aurocs), color=colour, s=14)
    ax.scatter(trial.auroc, place, color=colour, marker="|", s=200)
names = [", ".join(f"{k.split('__')[-1]}={v}" for k, v in trial.parameters.items()) or "defaults" for trial in trials]
ax.set(yticks=range(len(names)), yticklabels=names, xlabel="AUROC, synthetic anomalies", title="Orange: chosen")

# %%
# Real anomalies did not take part in the search. They tell if the choice was good: here the second column does not
# follow from the first one.

new, anomalous = rows(1000), rows(200)
anomalous[:, 1] = rng.permutation(anomalous[:, 1])
labels = np.repeat([0, 1], [1000, 200])
for name, detector in {"defaults": KNN(random_state=0).fit(X), "tuned": result.detector}.items():
    print(f"{name}: AUROC {roc_auc_score(labels, detector.anomaly_score(np.vstack([new, anomalous]))):.3f}")
