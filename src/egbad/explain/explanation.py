"""Explanations of scores: the share of every column or pixel, and the value expected there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egbad.arrays import Array, Floats
from egbad.data.column_types import BOOLEAN, NUMBER
from egbad.errors import require_package
from egbad.explain.comparison import Comparison
from egbad.explain.normal_range import round_to
from egbad.explain.reasons import Reason
from egbad.explain.regions import Region, find_regions

_ARRAYS = ("score", "base", "shares", "observed", "expected", "spread", "anomaly_map")


@dataclass(frozen=True)
class Explanation:
    """Explanation of the scores of a batch, as returned by `detector.explain(X)`.

    The shares decompose the score: `base` plus the sum of a row's `shares` equals its `score`.

    Attributes
    ----------
    score : ndarray of shape (n_samples,)
        Anomaly scores.
    base : ndarray of shape (n_samples,)
        The part of the score that no column explains. It is the score of the expected row for methods that explain only
        the difference from it, and 0 for the others.
    shares : ndarray of shape (n_samples, n_features) or (n_samples, height, width)
        Contribution of each column, or of each pixel summed over channels. For images of different sizes an object
        array of shape (n_samples,) with one array per image (see `egbad.data.ragged`).
    observed : ndarray of shape (n_samples, n_features), or images
        The input, in the user's units.
    expected : ndarray of shape (n_samples, n_features), or images
        What the detector expects of a normal row or image like this one, in the user's units.
    columns : tuple of str
        Names of the columns, or their positions. Empty for images.
    method : str
        How the shares were computed:

        - ``"exact"``: the score is a sum over columns;
        - ``"gradients"``: gradient of the score, times the difference from the expected values;
        - ``"differences"``: the score, distributed by the difference from the expected values;
        - ``"residual exact, features by gradients"`` or ``"residual exact, features by hiding columns"``: exact for the
          residual term, gradients or occlusion for the feature term;
        - ``"nearest images"``: the score, distributed by the difference from the most similar normal images;
        - ``"patches"``: the score of the most anomalous patches of the image, distributed by how far each patch is above the
          median of all;
        - ``"places of features"``: the share of each feature of the whole image, distributed over the places of the backbone's
          last layer by their part in its difference from the expected value;
        - ``"occlusion"``: the decrease of the score when a column or patch is replaced by the mean. For tables only the
          three columns that are farthest from the mean are replaced.
    terms : dict of str to ndarray of shape (n_samples,)
        Terms of the score, as `detector.score_terms` returns them.
    spread : ndarray of shape (n_samples,), optional
        Standard deviation of the score over ensemble members, or over the parts of a blend.
    column_types : tuple of str, optional
        Type of each column (see `egbad.data.column_types`). None if all columns are numeric.
    comparison : Comparison, optional
        Comparison with normal rows, evaluated when `p_value`, `low` or `high` is read first. Tables only.
    anomaly_map : ndarray of shape (n_samples, height, width), optional
        Values of pixels, as `detector.anomaly_map` returns them: scores of places of an image, or the shares. Images only.
    pixel_threshold : float, optional
        Value of the map that at most a share `alpha` of normal images exceeds anywhere. None if it is not known.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors.knn import KNN
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> explanation = KNN(alpha=0.1, random_state=0).fit(X).explain([[0.5, 8.0, 0.5]])
    >>> explanation.shares.shape
    (1, 3)
    >>> reason = explanation.top(1)[0][0]
    >>> reason.column, reason.observed, reason.observed > reason.high
    ('1', 8.0, True)
    """

    score: Floats
    base: Floats
    shares: Floats
    observed: Array
    expected: Array
    columns: tuple[str, ...]
    method: str
    terms: Mapping[str, Floats] = field(default_factory=dict)
    spread: Floats | None = None
    column_types: tuple[str, ...] | None = None
    comparison: Comparison | None = None
    anomaly_map: Floats | None = None
    pixel_threshold: float | None = None

    @cached_property
    def _compared(self) -> tuple[Floats, Floats, Floats] | tuple[None, None, None]:
        return (None, None, None) if self.comparison is None else self.comparison()

    @property
    def p_value(self) -> Floats | None:
        """Conformal p-value of each value's distance from the expected one.

        Returns
        -------
        ndarray of shape (n_samples, n_features), or None
            At most this share of normal rows is as far from its expected value in this column. None for images.
        """
        return self._compared[0]

    @property
    def low(self) -> Floats | None:
        """Lower end of the range that holds about 95 percent of normal rows like this one.

        Returns
        -------
        ndarray of shape (n_samples, n_features), or None
            In the user's units. NaN for columns that are not numeric, None for images.
        """
        return self._compared[1]

    @property
    def high(self) -> Floats | None:
        """Upper end of the range that holds about 95 percent of normal rows like this one.

        Returns
        -------
        ndarray of shape (n_samples, n_features), or None
            In the user's units. NaN for columns that are not numeric, None for images.
        """
        return self._compared[2]

    def top(self, k: int = 3) -> list[list[Reason]]:
        """Return the columns with the largest shares of every row. Tables only.

        A column with the expected value is no reason, and neither is one that lowers the score. The expected values are
        rounded to the precision of their columns.

        Parameters
        ----------
        k : int, default=3
            Largest number of columns per row.

        Returns
        -------
        list of list of Reason
            One list per row, largest share first. If no column differs, the one with the largest share, without an
            expected value.

        Examples
        --------
        >>> import numpy as np
        >>> shares = np.array([[0.5, 3.0]])
        >>> observed, expected = np.ones((1, 2)), np.zeros((1, 2))
        >>> explanation = Explanation(np.array([3.5]), np.zeros(1), shares, observed, expected, ("a", "b"), "exact")
        >>> [reason.column for reason in explanation.top(2)[0]]
        ['b', 'a']
        """
        order = np.argsort(-self.shares, axis=1, kind="stable")
        return [self._reasons(i, order[i], k) for i in range(len(order))]

    def regions(self, k: int = 3) -> list[list[Region]]:
        """Return the anomalous regions with the largest shares of every image. Images only.

        They are the connected parts of the anomaly map above the pixel threshold. Where nothing exceeds it, the only region is
        the part around the highest pixel, down to half its height.

        Parameters
        ----------
        k : int, default=3
            Largest number of regions per image.

        Returns
        -------
        list of list of Region
            One list per image, largest share first.
        """
        maps = self.shares if self.anomaly_map is None else self.anomaly_map
        return [find_regions(m, own, self.pixel_threshold)[:k] for m, own in zip(maps, self.shares, strict=True)]

    def rounded(self, values: Array, j: int) -> Array:
        """Round values of a numeric column to the precision that the column is known to.

        Parameters
        ----------
        values : ndarray of shape (n,)
            Values of another column are returned as they are.
        j : int
            Position of the column.

        Returns
        -------
        ndarray of shape (n,)
        """
        decimals = None if self.comparison is None else self.comparison.decimals
        if decimals is None or not self.is_numeric(j):
            return values
        return round_to(values.astype(np.float64), decimals[j])

    def to_frame(self, k: int | None = None) -> Any:
        """Return the reasons of all rows as a pandas frame. Tables only.

        Parameters
        ----------
        k : int, optional
            Largest number of columns per row, as in `top`. By default all columns of all rows, in their order.

        Returns
        -------
        pandas.DataFrame
            One line for each row and column: ``row``, the position in the batch; ``score`` of the row; and the attributes
            of `Reason`.

        Raises
        ------
        EgbadError
            If pandas is not installed.

        Examples
        --------
        >>> import numpy as np
        >>> observed, expected = np.ones((1, 2)), np.zeros((1, 2))
        >>> shares = np.array([[0.5, 3.0]])
        >>> explanation = Explanation(np.array([3.5]), np.zeros(1), shares, observed, expected, ("a", "b"), "exact")
        >>> explanation.to_frame()[["row", "column", "share"]].values.tolist()
        [[0, 'a', 0.5], [0, 'b', 3.0]]
        """
        require_package("Explanation.to_frame", "pandas")
        import pandas as pd

        every = range(len(self.columns))
        rows = self.top(k) if k is not None else [[self._reason(i, j) for j in every] for i in range(len(self.score))]
        names = ("row", "score", *(field.name for field in fields(Reason)))
        lines = [(i, self.score[i], *vars(reason).values()) for i, reasons in enumerate(rows) for reason in reasons]
        return pd.DataFrame(lines, columns=names)

    def select(self, rows: NDArray[np.intp]) -> "Explanation":
        """Return the explanation of some of the rows or images.

        Parameters
        ----------
        rows : ndarray of int of shape (n_selected,)
            Their positions.

        Returns
        -------
        Explanation
            In the order of `rows`.
        """
        arrays = {name: values[rows] for name in _ARRAYS if (values := getattr(self, name)) is not None}
        terms = {name: values[rows] for name, values in self.terms.items()}
        return replace(self, **arrays, terms=terms, comparison=self.comparison and self.comparison.select(rows))

    def _reasons(self, i: int, order: NDArray[np.intp], k: int) -> list[Reason]:
        """Return at most k reasons for row i, from columns in the order of their shares."""
        reasons: list[Reason] = []
        for j in order.tolist():
            if len(reasons) == k or self.shares[i, j] <= 0:
                break
            reason = self._reason(i, j)
            if self._differs(reason, j):
                reasons.append(reason)
        return reasons or [replace(self._reason(i, int(order[0])), expected=None)]

    def _differs(self, reason: Reason, j: int) -> bool:
        """Return True if the observed value of column j is not the expected one."""
        observed, expected = reason.observed, reason.expected
        if observed is None or expected is None:  # a level or a time that cannot be decoded is unknown, not missing
            return observed is not None or expected is not None or not self.is_numeric(j)
        return bool(self.rounded(np.array([observed]), j)[0] != expected)

    def is_numeric(self, j: int) -> bool:
        """Return True if column j holds numbers or booleans, whose expected values can be told."""
        return self.column_types is None or self.column_types[j] in (NUMBER, BOOLEAN)

    def _reason(self, i: int, j: int) -> Reason:
        compared = (
            None if values is None else plain_value(values[i, j]) for values in (self.low, self.high, self.p_value)
        )
        observed = plain_value(self.observed[i, j])
        expected = plain_value(self.rounded(self.expected[i : i + 1, j], j)[0])
        return Reason(self.columns[j], float(self.shares[i, j]), observed, expected, *compared)


@dataclass(frozen=True)
class Attribution:
    """Attribution of the scores of one batch, before it becomes a user's `Explanation`.

    A detector computes it in encoded columns or pixels; the base class maps it to the user's columns and units.

    Attributes
    ----------
    shares : ndarray of shape (n_samples, ...)
        Contribution of each column or pixel.
    base : ndarray of shape (n_samples,)
        The part of the score that no column or pixel explains.
    expected : ndarray of shape (n_samples, ...)
        Expected values.
    method, terms, spread, comparison
        See `Explanation`.
    anomaly_map : ndarray of shape (n_samples, height, width), optional
        Scores of the places of images. None if the shares are the map.
    """

    shares: Floats
    base: Floats
    expected: Array
    method: str
    terms: Mapping[str, Floats] = field(default_factory=dict)
    spread: Floats | None = None
    comparison: Comparison | None = None
    anomaly_map: Floats | None = None


def distribute(weights: Floats, total: Floats) -> Floats:
    """Distribute totals in proportion to weights, evenly where all weights are 0.

    Parameters
    ----------
    weights : ndarray of shape (n_samples, ...)
        Not negative.
    total : ndarray of shape (n_samples,)
        Amount to distribute over each row's weights.

    Returns
    -------
    ndarray of the shape of `weights`
        Shares; those of a row add up to its total.

    Examples
    --------
    >>> import numpy as np
    >>> distribute(np.array([[1.0, 3.0], [0.0, 0.0]]), np.array([8.0, 2.0]))
    array([[2., 6.],
           [1., 1.]])
    """
    flat = weights.reshape(len(weights), -1)
    sums = flat.sum(axis=1, keepdims=True)
    even = np.full_like(flat, 1 / flat.shape[1])
    fractions = np.divide(flat, sums, out=even, where=sums > 0)
    return np.asarray((fractions * total[:, None]).reshape(weights.shape))


def concatenate(batches: Sequence[Attribution]) -> Attribution:
    """Concatenate the attributions of consecutive batches, which must share one method."""
    if len(batches) == 1:
        return batches[0]

    def joined(name: str) -> Any:
        values = [getattr(batch, name) for batch in batches]
        return None if values[0] is None else np.concatenate(values)

    arrays = {name: joined(name) for name in ("shares", "base", "expected", "spread", "anomaly_map")}
    terms = {name: np.concatenate([batch.terms[name] for batch in batches]) for name in batches[0].terms}
    comparisons = [batch.comparison for batch in batches if batch.comparison is not None]
    comparison = comparisons[0].concatenate(comparisons) if comparisons else None
    return Attribution(method=batches[0].method, terms=terms, comparison=comparison, **arrays)


def join_explanations(parts: Sequence[Explanation]) -> Explanation:
    """Join explanations of images by one detector.

    Parameters
    ----------
    parts : sequence of Explanation
        At least one.

    Returns
    -------
    Explanation
    """
    names = [name for name in _ARRAYS if getattr(parts[0], name) is not None]
    arrays: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    terms = {name: np.concatenate([part.terms[name] for part in parts]) for name in parts[0].terms}
    return replace(parts[0], **arrays, terms=terms)


def plain_value(value: Any) -> Any:
    """Return a plain Python value, None for NaN.

    Parameters
    ----------
    value : object

    Returns
    -------
    object
    """
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value
