"""Drift: new rows that are no longer like the rows that set the threshold.

Three questions are answered separately, since their answers call for different actions:

- Are the rows, in their order, unlike the calibration rows? A conformal test martingale (`egbad.scoring.martingales`) raises a
  false alarm with at most a given probability, however many rows come. All that is assumed is that without drift new rows are
  exchangeable with the calibration rows. Rows that depend on each other, as in a time series, are not.
- Are the rows as a whole unlike the calibration rows? The share flagged, the scores and the columns are tested once for all
  rows, with Holm's correction.
- Has everything changed, or are there only more anomalies? Rows with scores like those of the lower 90 percent of the calibration
  rows are compared with these. More anomalies leave them as they were, a change of all rows does not. Anomalies are a
  minority: if fewer than half of the rows have such scores, everything has changed.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import exp, floor
from typing import Any, Literal

import numpy as np
from scipy import stats

from egbad.arrays import Array, Floats
from egbad.errors import InvalidInputError, shorten
from egbad.scoring.calibration import check_rate, holm
from egbad.scoring.column_drift import ColumnDrift, ColumnTests, kolmogorov_smirnov
from egbad.scoring.intervals import binomial_interval
from egbad.scoring.martingales import ConformalMartingale
from egbad.scoring.reference_rows import MAX_VALUES, MIN_ROWS
from egbad.scoring.scorer import Scorer

Kind = Literal["none", "anomalies", "shift", "order"]

_BULK = 0.9  # share of the calibration rows, those with the lowest scores, that anomalies are not among
_CONFIDENCE = 0.95  # of the interval of the share flagged
_LISTED = 5  # columns that a sentence names
_MAX_LOG = 700.0  # capital beyond is written as this


@dataclass(frozen=True)
class Evidence:
    """Capital of the martingale: evidence against rows that are like the calibration rows.

    Attributes
    ----------
    value, max_value : float
        Capital now and at its highest; it begins with 1. At most 1e304.
    threshold : float
        Capital that raises the alarm. Without drift it is ever reached with a probability of at most ``1 / threshold``.
    alarm_row : int or None
        Number of rows after which it was first reached.
    """

    value: float
    max_value: float
    threshold: float
    alarm_row: int | None


@dataclass(frozen=True)
class FlaggedShare:
    """Share of rows above the threshold.

    Attributes
    ----------
    flagged : int
    share, low, high : float
        Share and its 95 percent interval (Clopper and Pearson, 1934).
    expected : float
        Expected share of normal rows, by the calibration rows.
    p_value : float
        Probability of as many or more without drift: the number is beta-binomial, since calibration rows are random, too.
    """

    flagged: int
    share: float
    low: float
    high: float
    expected: float
    p_value: float


@dataclass(frozen=True)
class ScoreDrift:
    """Two-sample test of Kolmogorov and Smirnov of scores against calibration scores.

    Attributes
    ----------
    rows : int
        Number of new rows.
    statistic, p_value : float
    """

    rows: int
    statistic: float
    p_value: float


@dataclass(frozen=True)
class ColumnResult(ColumnDrift):
    """Result of the test of one column, corrected for the number of tests.

    Attributes
    ----------
    adjusted : float
        p-value with Holm's correction for all tests of all rows.
    drift : bool
        True if that is at most half of the level.
    """

    adjusted: float
    drift: bool


@dataclass(frozen=True)
class DriftReport:
    """Comparison of new rows with the rows that set the threshold.

    Attributes
    ----------
    kind : {"none", "anomalies", "shift", "order"}
        "anomalies" if more rows are flagged and the others are like before, "shift" if the others have changed, too, and
        "order" if only the order of the rows is unusual.
    summary : str
        The same in one sentence.
    rows, calibration_rows : int
    level : float
        Probability of a false alarm: half of it for the martingale, half for all tests of all rows together.
    martingale : Evidence
    flagged : FlaggedShare
    scores, usual_scores : ScoreDrift
        All scores, and those in the range of the lower 90 percent of the calibration scores.
    columns : tuple of ColumnResult
        Columns of a table, most clearly changed first.
    untested : str or None
        Reason that no columns were tested.
    """

    kind: Kind
    summary: str
    rows: int
    calibration_rows: int
    level: float
    martingale: Evidence
    flagged: FlaggedShare
    scores: ScoreDrift
    usual_scores: ScoreDrift
    columns: tuple[ColumnResult, ...]
    untested: str | None

    @property
    def drift(self) -> bool:
        """True unless the rows are like the calibration rows."""
        return self.kind != "none"

    def to_json(self) -> dict[str, Any]:
        """Return all figures as JSON stores them."""
        return {"drift": self.drift} | asdict(self)


class DriftMonitor:
    """Comparison of rows that come one after another, in bounded memory.

    Parameters
    ----------
    scorer : Scorer
        Fitted detector or exported graph.
    level : float, default=0.01
        Probability of a false alarm, in (0, 1).
    threshold : float, optional
        Score above which a row is flagged. By default that of the scorer.
    seed : int, default=0
        Seed of the random numbers of the p-values.

    Attributes
    ----------
    martingale : ConformalMartingale
        Its `state` continues it in another process; the other tests are made once for the rows of one monitor.

    Raises
    ------
    InvalidInputError
        If the level is not in (0, 1).

    Examples
    --------
    >>> from egbad.detectors.knn import KNN
    >>> rng = np.random.default_rng(0)
    >>> detector = KNN(alpha=0.1, random_state=0).fit(rng.normal(size=(1000, 3)))
    >>> monitor = DriftMonitor(detector)
    >>> for batch in rng.normal(size=(4, 50, 3)):
    ...     monitor.add(detector.anomaly_score(batch), batch)
    >>> monitor.report().kind
    'none'
    """

    def __init__(self, scorer: Any, level: float = 0.01, threshold: float | None = None, seed: int = 0) -> None:
        check_rate("level", level)
        self.level = level
        self.calibration, self._detector = scorer.calibration_scores_, scorer
        self.martingale = ConformalMartingale(self.calibration, level / 2, seed)
        self.threshold = scorer.threshold_ if threshold is None else threshold
        self.n_flagged = 0
        self._n_bulk = floor(_BULK * len(self.calibration))
        self._counts = np.zeros(len(self.calibration) + 1, dtype=np.int64)
        self.untested = _reason_for_no_columns(scorer)
        self._all_columns, self._bulk_columns = _column_tests(scorer, self.calibration[: self._n_bulk])

    def add(self, scores: Floats, X: Any = None) -> None:
        """Add the scores of new rows, in their order.

        Parameters
        ----------
        scores : ndarray of shape (n,)
        X : array-like or data frame of shape (n, n_features), optional
            The rows, to test their columns.

        Raises
        ------
        InvalidInputError
            If a score is NaN, or X does not match the detector.
        """
        cells = self.martingale.update(scores)
        self._counts += np.bincount(cells, minlength=len(self._counts))
        self.n_flagged += int((scores > self.threshold).sum())
        if self._all_columns is not None and self._bulk_columns is not None and X is not None:
            x = self._detector.check_input(X).x
            self._all_columns.add(x)
            self._bulk_columns.add(x[cells < self._n_bulk])

    def report(self) -> DriftReport:
        """Return the comparison of all rows so far.

        Raises
        ------
        InvalidInputError
            If there are no rows yet.
        """
        n = int(self._counts.sum())
        if not n:
            raise InvalidInputError("Drift needs rows to compare, got none.")
        flagged, scores = self._flagged(n), _compare_scores(self._counts, len(self.calibration))
        usual = _compare_scores(self._counts[: self._n_bulk], max(0, self._n_bulk - 1))
        columns, least = _adjusted(self._all_columns, [flagged.p_value, scores.p_value], self.level / 2)
        alarm = self.martingale.alarm_row
        kind: Kind = "none"
        if alarm is not None or least <= self.level / 2:
            _, least_of_usual = _adjusted(self._bulk_columns, [usual.p_value], self.level / 2)
            usual_changed = least_of_usual <= self.level / 2 or 2 * usual.rows < n
            kind = self._kind(flagged, scores, usual_changed, columns)
        evidence = Evidence(
            _capital(self.martingale.log_value), _capital(self.martingale.log_max), 2 / self.level, alarm
        )
        summary = _summary(kind, flagged, [column.column for column in columns if column.drift], alarm)
        return DriftReport(
            kind,
            summary,
            n,
            len(self.calibration),
            self.level,
            evidence,
            flagged,
            scores,
            usual,
            columns,
            self.untested,
        )

    def _flagged(self, n: int) -> FlaggedShare:
        """Return the share of n rows that were flagged, compared with that of normal rows."""
        k, m = self.n_flagged, len(self.calibration)
        above = 1 + int((self.calibration > self.threshold).sum())
        low, high = binomial_interval(k, n, _CONFIDENCE)
        p_value = float(stats.betabinom.sf(k - 1, n, above, m + 1 - above)) if above <= m else 1.0
        return FlaggedShare(k, k / n, low, high, above / (m + 1), min(1.0, p_value))

    def _kind(
        self, flagged: FlaggedShare, scores: ScoreDrift, usual_changed: bool, columns: Sequence[ColumnResult]
    ) -> Kind:
        """Tell apart the reasons of an alarm."""
        if usual_changed:
            return "shift"
        if flagged.p_value <= self.level:
            return "anomalies"
        return "shift" if scores.p_value <= self.level or any(column.drift for column in columns) else "order"


def check_drift(
    scorer: Scorer, X: Any, *, level: float = 0.01, threshold: float | None = None, random_state: int = 0
) -> DriftReport:
    """Compare new rows or images with the rows that set the threshold.

    Parameters
    ----------
    scorer : Scorer
        Fitted detector or exported graph. Columns of tables are tested by detectors alone.
    X : array-like or data frame of shape (n_samples, n_features), or images
        In the order in which they came. They must be new to the detector.
    level : float, default=0.01
        Probability of a false alarm, in (0, 1).
    threshold : float, optional
        Score above which a row is flagged. By default that of the scorer.
    random_state : int, default=0
        Seed of the random numbers of the p-values.

    Returns
    -------
    DriftReport

    Raises
    ------
    InvalidInputError
        If X does not match the data that the scorer was fitted on, or has no rows.

    Warns
    -----
    LearnedRowsWarning
        If the detector was trained on rows of X.

    Examples
    --------
    >>> from egbad.detectors.knn import KNN
    >>> rng = np.random.default_rng(0)
    >>> detector = KNN(alpha=0.1, random_state=0).fit(rng.normal(size=(2000, 3)))
    >>> check_drift(detector, rng.normal(size=(500, 3))).summary
    'No drift: the rows look like the calibration rows.'
    >>> print(check_drift(detector, rng.normal(loc=[0, 1, 0], size=(500, 3))).kind)
    shift
    """
    monitor = DriftMonitor(scorer, level, threshold, random_state)
    monitor.add(scorer.anomaly_score(X), X)
    return monitor.report()


def _reason_for_no_columns(scorer: Scorer) -> str | None:
    """Return why no columns can be tested, None if they are."""
    if scorer.kind_ == "images":
        return "Images have no columns."
    if scorer.reference_rows_ is None:
        return (
            f"The model keeps no rows to compare columns with. A fit or recalibration keeps some of {MIN_ROWS} calibration rows "
            f"or more, and of at most {MAX_VALUES // MIN_ROWS:,} columns; exported models have none."
        )
    return None


def _column_tests(scorer: Scorer, bulk: Floats) -> tuple[ColumnTests | None, ColumnTests | None]:
    """Return tests of the columns of all rows, and of those with usual scores."""
    kept = scorer.reference_rows_
    if kept is None or scorer.kind_ == "images":
        return None, None
    names = scorer.columns_ or [str(j) for j in range(kept.rows.shape[1])]
    usual = kept.rows[kept.scores <= bulk[-1]] if len(bulk) else kept.rows[:0]
    return ColumnTests(kept.rows, names, scorer.column_types_), ColumnTests(usual, names, scorer.column_types_)


def _compare_scores(counts: Array, m: int) -> ScoreDrift:
    """Compare new scores with m calibration scores by the numbers of new ones below, between and above them."""
    reference = np.zeros(2 * m + 1, dtype=np.int64)
    new = np.zeros_like(reference)
    reference[1::2] = 1
    new[::2] = counts[: m + 1]
    return ScoreDrift(int(new.sum()), *kolmogorov_smirnov(reference, new))


def _adjusted(tests: ColumnTests | None, others: list[float], level: float) -> tuple[tuple[ColumnResult, ...], float]:
    """Correct the results of columns and other p-values for their number.

    Returns the results, most clearly changed first, and the smallest of all corrected p-values.
    """
    results = [] if tests is None else tests.results()
    adjusted = holm(np.array([result.p_value for result in results] + others))
    columns = [
        ColumnResult(**vars(result), adjusted=float(p), drift=bool(p <= level))
        for result, p in zip(results, adjusted, strict=False)
    ]
    return tuple(sorted(columns, key=lambda column: (column.p_value, -column.statistic))), float(adjusted.min())


def _capital(log_value: float) -> float:
    return exp(min(log_value, _MAX_LOG))


def _summary(kind: Kind, flagged: FlaggedShare, changed: Sequence[str], alarm: int | None) -> str:
    """Describe the result in one sentence."""
    if kind == "none":
        return "No drift: the rows look like the calibration rows."
    share = f"{flagged.share:.2%} of the rows are flagged where {flagged.expected:.2%} of normal rows are"
    if kind == "anomalies":
        return f"More anomalies: {share}, and the other rows look like the calibration rows."
    if kind == "order":
        return (
            f"The order of the rows is unusual from about row {alarm:,} on, though all of them together look like the "
            "calibration rows: the data may be sorted, or a change came and went."
        )
    rest = f" and {len(changed) - _LISTED:,} more" if len(changed) > _LISTED else ""
    columns = f", most clearly in {', '.join(map(shorten, changed[:_LISTED]))}{rest}" if changed else ""
    return f"The data has changed{columns}, and not only by more anomalies: {share}."
