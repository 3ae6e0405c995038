"""Comparison of detectors with the better of several baselines over many tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np

from egbad.benchmark.statistics import PairedDifference, paired_difference
from egbad.scoring.calibration import holm


@dataclass(frozen=True)
class ComparedDetector:
    """A detector that is compared with a baseline over many tables.

    Parameters
    ----------
    label : str
    mean : float
        Mean of the metric over the tables that the detector finished.
    difference : PairedDifference
    corrected_p : float
        P-value with Holm's correction for the number of detectors.
    by_kind : mapping of str to mapping of str to PairedDifference
        For each group of kinds and each kind of table in it.
    """

    label: str
    mean: float
    difference: PairedDifference
    corrected_p: float
    by_kind: Mapping[str, Mapping[str, PairedDifference]] = field(default_factory=dict)


@dataclass(frozen=True)
class BaselineComparison:
    """Comparison of all detectors with the better of several baselines.

    Parameters
    ----------
    metric : str
    baseline : str
    baseline_mean : float
    n_tables : int
        Tables that the baseline finished.
    rows : tuple of ComparedDetector
        In descending order of the mean difference.
    n_by_kind : mapping of str to mapping of str to int
        Number of tables of each kind, by group of kinds.
    """

    metric: str
    baseline: str
    baseline_mean: float
    n_tables: int
    rows: tuple[ComparedDetector, ...]
    n_by_kind: Mapping[str, Mapping[str, int]]


Values = Mapping[str, Mapping[str, float]]


def compare_with_baseline(
    metric: str, values: Values, baselines: Sequence[str], kinds: Mapping[str, Mapping[str, str]]
) -> BaselineComparison | None:
    """Compare each detector with the baseline that has the highest mean over the tables that all baselines finished.

    Parameters
    ----------
    metric : str
    values : mapping of str to mapping of str to float
        For each detector the value of each table.
    baselines : sequence of str
    kinds : mapping of str to mapping of str to str
        For each table its kind in each group of kinds.

    Returns
    -------
    BaselineComparison or None
        None if no baseline has a value.
    """
    known = [label for label in baselines if values.get(label)]
    common = set.intersection(*(set(values[label]) for label in known)) if known else set()
    if not common:
        return None
    baseline = max(known, key=lambda label: fmean(values[label][table] for table in sorted(common)))
    reference = values[baseline]
    found = []
    for label, own in values.items():
        differences = {table: own[table] - reference[table] for table in own if table in reference}
        if label != baseline and differences:
            by_kind = _by_kind(differences, kinds)
            found.append((label, fmean(own.values()), paired_difference([*differences.values()]), by_kind))
    corrected = holm(np.array([difference.p_value for _, _, difference, _ in found])).tolist()
    rows = [ComparedDetector(*row[:3], p, row[3]) for row, p in zip(found, corrected, strict=True)]
    rows.sort(key=lambda row: -row.difference.mean)
    n_by_kind = {
        group: {kind: len(tables) for kind, tables in own.items()}
        for group, own in _tables_by_kind(reference, kinds).items()
    }
    return BaselineComparison(metric, baseline, fmean(reference.values()), len(reference), tuple(rows), n_by_kind)


def _tables_by_kind(
    tables: Mapping[str, float], kinds: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, list[str]]]:
    """Return the tables of each kind, by group of kinds."""
    found: dict[str, dict[str, list[str]]] = {}
    for table in tables:
        for group, kind in kinds.get(table, {}).items():
            found.setdefault(group, {}).setdefault(kind, []).append(table)
    return found


def _by_kind(
    differences: Mapping[str, float], kinds: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, PairedDifference]]:
    """Summarize the differences on the tables of each kind."""
    return {
        group: {kind: paired_difference([differences[table] for table in tables]) for kind, tables in own.items()}
        for group, own in _tables_by_kind(differences, kinds).items()
    }
