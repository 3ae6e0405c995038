"""
Thresholds and false alarms
===========================

A detector gives each row an anomaly score. The threshold turns scores into flags. You choose the false-alarm rate
``alpha``, the share of normal rows that may be flagged; the threshold then comes from normal rows that were held out of
training.
"""

import matplotlib.pyplot as plt
import numpy as np

from egbad.detectors import KNN
from egbad.plot import p_value_calibration, score_histogram

# %%
# Normal rows lie near a curve. The test set has 2,000 more of them and 100 anomalies, which lie elsewhere.

rng = np.random.default_rng(0)


def normal_rows(n):
    """Return rows near the parabola y = x^2."""
    x = rng.uniform(-1, 1, n)
    return np.column_stack([x, x**2]) + rng.normal(scale=0.05, size=(n, 2))


X, X_normal = normal_rows(5000), normal_rows(2000)
X_anomalous = rng.uniform([-1, -0.5], [1, 1.5], size=(100, 2))

detector = KNN(alpha=0.01, calibration_fraction=0.4, random_state=0).fit(X)
normal, anomalous = detector.anomaly_score(X_normal), detector.anomaly_score(X_anomalous)

# %%
# Scores above ``threshold_`` are flagged: about 1 percent of normal rows, as ``alpha`` says.

ax = score_histogram({"normal": normal, "anomalies": anomalous}, detector, log=True)
ax.set_title("Scores of new rows")

print(f"{(normal > detector.threshold_).mean():.1%} of normal rows are flagged")
print(f"{(anomalous > detector.threshold_).mean():.0%} of anomalies are flagged")

# %%
# A smaller alpha means fewer false alarms and fewer anomalies found. ``set_params`` moves the threshold; nothing is
# fitted again.

alphas = np.geomspace(0.002, 0.3, 30)
flagged, found = [], []
for alpha in alphas:
    detector.set_params(alpha=alpha)
    flagged.append((normal > detector.threshold_).mean())
    found.append((anomalous > detector.threshold_).mean())

fig, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
axes[0].plot([alphas[0], alphas[-1]], [alphas[0], alphas[-1]], color="gray", linestyle=":", label="alpha")
axes[0].plot(alphas, flagged, marker=".", label="measured")
axes[0].set(xlabel="alpha", ylabel="normal rows flagged", xscale="log", yscale="log", title="False alarms")
axes[0].legend()
axes[1].plot(alphas, found, marker=".", color="tab:orange")
axes[1].set(xlabel="alpha", ylabel="anomalies flagged", xscale="log", ylim=(0, 1), title="Anomalies found")

# %%
# P-values say the same on a scale from 0 to 1, whatever the detector. The row is flagged where its p-value is at most
# alpha. Those of normal rows are spread evenly: their quantiles lie near the diagonal. Those of anomalies are small.

ax = p_value_calibration(detector, X_normal, label="normal")
ax.set_title("P-values of new rows")
print(f"median p-value of anomalies: {np.median(detector.p_value(X_anomalous)):.4f}")

# %%
# In a batch with many rows, alpha alone flags many normal ones. ``discoveries`` bounds the share of false flags among
# all flags.

batch = np.vstack([X_normal, X_anomalous])
is_anomaly = np.repeat([False, True], [len(X_normal), len(X_anomalous)])
for fdr in (0.05, 0.2):
    chosen = detector.discoveries(batch, fdr=fdr)
    false = (chosen & ~is_anomaly).sum()
    print(f"fdr={fdr}: {chosen.sum()} rows, of which {false} are normal")
