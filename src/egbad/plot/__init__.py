"""Pictures of results. Needs no matplotlib."""

from egbad.plot.heatmaps import heatmap

__all__ = ["heatmap"]
