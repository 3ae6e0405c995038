"""Explanations of anomaly scores: shares of columns and pixels, expected values, and groups of similar anomalies."""

from egbad.explain.explanation import Explanation
from egbad.explain.grouping import ExplanationGroup, group_explanations
from egbad.explain.reasons import Reason
from egbad.explain.regions import Region

__all__ = ["Explanation", "ExplanationGroup", "Reason", "Region", "group_explanations"]
