"""
Score without torch: ONNX
=========================

``export`` writes a detector as an ONNX graph, the scaling of columns included. The graph scores with onnxruntime,
without torch and scikit-learn, in tens of microseconds a row. Needs ``pip install 'egbad[onnx]'``.
"""

import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import egbad
from egbad import EGBAD, TrainingConfig
from egbad.export import export

# %%
# Train a detector and export it. Before ``export`` writes the file it compares the scores of the graph with those of
# the detector.

rng = np.random.default_rng(0)


def rows(n):
    """Return n normal rows."""
    angle = rng.uniform(0, 2 * np.pi, n)
    return np.column_stack([np.cos(angle), np.sin(angle), np.sin(2 * angle)]) + rng.normal(scale=0.05, size=(n, 3))


detector = EGBAD(training=TrainingConfig(steps=300), random_state=0).fit(rows(2000))
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "ring.onnx"
export(detector, path)
print(f"{path.stat().st_size / 1024:.0f} KiB")

# %%
# ``egbad.load`` reads the graph. It has scores, terms, p-values and flags like the detector; scores differ by
# rounding only.

scorer = egbad.load(path)
X = np.vstack([rows(500), rng.uniform(-1.5, 1.5, size=(500, 3))])
by_torch, by_graph = detector.anomaly_score(X), scorer.anomaly_score(X)

fig, axes = plt.subplots(1, 2, figsize=(7.5, 3.2), layout="constrained")
axes[0].scatter(by_torch, by_graph, s=5)
axes[0].axline((1, 1), slope=1, color="gray", linewidth=0.8)
axes[0].set(xlabel="score by torch", ylabel="score by the graph", title="1,000 rows")
axes[1].hist(np.abs(by_graph / by_torch - 1) * 1e6, bins=30)
axes[1].set(xlabel="relative difference, millionths", ylabel="rows", title="Rounding")
print("same flags:", bool((detector.predict(X) == scorer.predict(X)).all()))

# %%
# The time of single rows, one call each, as a service scores them.


def milliseconds(score):
    """Return the median time of a call for one row."""
    times = []
    for i in range(60):
        started = time.perf_counter()
        score(X[i : i + 1])
        times.append(1000 * (time.perf_counter() - started))
    return np.median(times)


measured = {"torch": milliseconds(detector.anomaly_score), "graph": milliseconds(scorer.anomaly_score)}
fig, ax = plt.subplots(figsize=(6, 1.8), layout="constrained")
ax.barh([*measured], [*measured.values()], color=["tab:blue", "tab:orange"])
ax.set(xlabel="milliseconds for one row", xscale="log")
folder.cleanup()
