"""Figures of the explanation of one row."""

from typing import TYPE_CHECKING, Any

import numpy as np

from egbad.errors import InvalidInputError, shorten
from egbad.explain import Explanation
from egbad.explain.explanation import plain_value
from egbad.plot.axes import as_axes, text_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAME_LENGTH, _VALUE_LENGTH = 32, 20


def explanation_bars(explanation: Any, row: int = 0, *, k: int = 10, ax: "Axes | None" = None) -> "Axes":
    """Draw the contribution of each column to the score of a row, the largest on top.

    The bars add up to the score: columns beyond the first `k` share one bar, and the part of the score that no column
    explains has another. Names are followed by the observed value and, for numbers, the expected one.

    Parameters
    ----------
    explanation : Explanation
        Of rows, as `detector.explain` returns it.
    row : int, default=0
        Position of the row in the explanation.
    k : int, default=10
        Largest number of columns.
    ax : Axes, optional
        By default those of a new figure of pyplot.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInputError
        If the explanation is one of images, there is no such row, or `k` is less than 1.
    MissingExtraError
        If matplotlib is not installed.

    See Also
    --------
    heatmap : Draws the explanation of an image.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from egbad.detectors.knn import KNN
    >>> from egbad.plot import explanation_bars
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> explanation = KNN(alpha=0.1, random_state=0).fit(X).explain([[0.5, 8.0, 0.5]])
    >>> ax = explanation_bars(explanation, ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_yticklabels()[0].get_text().split()[0]
    ('contribution to the anomaly score', '1')
    """
    if not isinstance(explanation, Explanation):
        raise InvalidInputError(
            f"explanation must be what detector.explain returns, got {type(explanation).__name__}. Pass detector.explain(X)."
        )
    if not explanation.columns:
        raise InvalidInputError("explanation_bars needs the explanation of rows, got one of images. Use heatmap.")
    if not -len(explanation.score) <= row < len(explanation.score):
        raise InvalidInputError(f"row must be one of {len(explanation.score)} explained rows, got {row}.")
    row %= len(explanation.score)
    if k < 1:
        raise InvalidInputError(f"k must be at least 1, got {k}.")
    names, values = _bars(explanation, row, k)
    ax = as_axes(ax, 7.0, 1.2 + 0.32 * len(names))
    places = np.arange(len(names))
    raises = values >= 0
    for chosen, label in ((raises, "raises the score"), (~raises, "lowers the score")):
        ax.barh(places[chosen], values[chosen], label=label if chosen.any() else None)
    ax.axvline(0, color=text_colour(ax), linewidth=0.8)
    ax.set_yticks(places, names)
    ax.set(
        xlabel="contribution to the anomaly score",
        ylabel="column",
        title=f"anomaly score {explanation.score[row]:.4g}",
    )
    ax.invert_yaxis()
    if not raises.all():
        ax.legend(fontsize="small")
    return ax


def _bars(explanation: Explanation, row: int, k: int) -> tuple[list[str], "np.ndarray[Any, Any]"]:
    """Return the labels and lengths of the bars of a row, from the largest share on."""
    shares = explanation.shares[row]
    order = np.argsort(-np.abs(shares), kind="stable")
    shown, rest = order[:k], order[k:]
    shown = shown[np.argsort(-shares[shown], kind="stable")]
    names, values = [_label(explanation, row, int(j)) for j in shown], shares[shown].tolist()
    if len(rest):
        names.append(f"{len(rest):,} other column{'s' if len(rest) > 1 else ''}")
        values.append(float(shares[rest].sum()))
    if explanation.base[row] != 0:
        names.append("not explained by columns")
        values.append(float(explanation.base[row]))
    return names, np.array(values)


def _label(explanation: Explanation, row: int, j: int) -> str:
    """Return the name of column j with its observed and expected value."""
    name = f"{shorten(explanation.columns[j], _NAME_LENGTH)} = {_text(plain_value(explanation.observed[row, j]))}"
    expected = plain_value(explanation.rounded(explanation.expected[row : row + 1, j], j)[0])
    return f"{name}, expected {_text(expected)}" if explanation.is_numeric(j) and expected is not None else name


def _text(value: Any) -> str:
    """Return a value as short text."""
    if value is None:
        return "missing"
    return f"{value:.4g}" if isinstance(value, float) else shorten(str(value), _VALUE_LENGTH)
