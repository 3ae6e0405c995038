"""
The figures of egbad.plot
=========================

The functions of ``egbad.plot`` draw results with one line of code each. They draw on the Axes that they are given, or on
a new figure, and take their colours from the style in use.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from egbad import EGBAD, TrainingConfig, plot
from egbad.detectors import KNN

# %%
# Two detectors learn images of the digit 3. The test set has other threes, and thirty other digits.

rng = np.random.default_rng(0)
digits = load_digits()
is_three = digits.target == 3
threes, others = rng.permutation(digits.images[is_three]), rng.permutation(digits.images[~is_three])
X_test, anomalous = np.concatenate([threes[120:], others[:30]]), np.repeat([False, True], [len(threes) - 120, 30])

egbad = EGBAD(members=2, training=TrainingConfig(steps=300), alpha=0.1, random_state=0).fit(threes[:120])
knn = KNN(alpha=0.1, random_state=0).fit(threes[:120])
scores = egbad.anomaly_score(X_test)

# %%
# Scores of both kinds, with the threshold of the detector.

plot.score_histogram(scores, egbad, anomalous=anomalous)

# %%
# ROC and precision-recall curves. Bands come from resamples of the test set, and are wide where it is small. The dots are
# the rates at the threshold.

fig, axes = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
for detector, name in ((egbad, "EGBAD"), (knn, "KNN")):
    test_scores = detector.anomaly_score(X_test)
    plot.roc_curve(test_scores, anomalous, threshold=detector, label=name, ax=axes[0])
    plot.precision_recall_curve(test_scores, anomalous, threshold=detector, label=name, ax=axes[1])

# %%
# p-values of new threes against uniform ones. The band says where they lie if the detector is calibrated: it is wide, since
# only 12 threes were held out to calibrate it.

plot.p_value_calibration(egbad, threes[120:])

# %%
# Losses of the players during training, thin lines for the members.

plot.loss_curves(egbad)

# %%
# The latents of the test set.

plot.latent_scatter(egbad, X_test, labels=np.where(anomalous, "other digits", "threes"))

# %%
# Images and their reconstructions.

plot.reconstruction_grid(egbad, X_test[58:68])

# %%
# The figures follow the style in use, such as a dark one. Here the spread of three columns grows after row 1,000.

table = KNN(alpha=0.05, calibration_fraction=0.3, random_state=0).fit(rng.normal(size=(2000, 3)))
stream = rng.normal(size=(2000, 3))
stream[1000:] *= 1.3

with plt.style.context("dark_background"):
    fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
    plot.drift_over_time(table, stream, ax=axes[0])
    plot.drift_over_time(table, stream, statistic="flagged", ax=axes[1])
