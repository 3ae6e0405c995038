"""Explanations of anomaly scores: shares of columns and pixels, expected values, and groups of similar anomalies."""

from egbad.explain.explanation import Explanation, Reason
from egbad.explain.grouping import ExplanationGroup, group_explanations

__all__ = ["Explanation", "ExplanationGroup", "Reason", "group_explanations"]
