"""Figures of results. `heatmap` returns an image; the other functions draw on Axes of matplotlib (extra `plot`)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_MODULE_OF = {
    "drift_over_time": "drift",
    "explanation_bars": "explanations",
    "heatmap": "heatmaps",
    "latent_scatter": "latents",
    "loss_curves": "losses",
    "p_value_calibration": "scores",
    "precision_recall_curve": "curves",
    "reconstruction_grid": "reconstructions",
    "roc_curve": "curves",
    "score_histogram": "scores",
}


def __getattr__(name: str) -> Any:
    """Import a function on first use: some need torch and scikit-learn, and heatmaps of an ONNX file do not."""
    if name in _MODULE_OF:
        return getattr(import_module(f"egbad.plot.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module 'egbad.plot' has no attribute '{name}'")
