"""Figures of results. `heatmap` returns an image; the other functions draw on Axes of matplotlib (extra `plot`)."""

from egbad.plot.curves import precision_recall_curve, roc_curve
from egbad.plot.drift import drift_over_time
from egbad.plot.explanations import explanation_bars
from egbad.plot.heatmaps import heatmap
from egbad.plot.latents import latent_scatter
from egbad.plot.losses import loss_curves
from egbad.plot.reconstructions import reconstruction_grid
from egbad.plot.scores import p_value_calibration, score_histogram

__all__ = [
    "drift_over_time",
    "explanation_bars",
    "heatmap",
    "latent_scatter",
    "loss_curves",
    "p_value_calibration",
    "precision_recall_curve",
    "reconstruction_grid",
    "roc_curve",
    "score_histogram",
]
