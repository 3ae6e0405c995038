"""Markdown tables and the numbers in them."""

from collections.abc import Iterable, Sequence
from statistics import mean, stdev

from egbad.benchmark.published import FROM_MEMORY, PublishedFigure


def markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table.

    Parameters
    ----------
    head : sequence of str
        Names of the columns.
    rows : iterable of sequences
        Cells, one for each column.

    Returns
    -------
    str
        Lines without a newline at the end.
    """
    lines = [head, ["---"] * len(head), *rows]
    if any(len(line) != len(head) for line in lines):
        raise ValueError(f"Each row must have {len(head)} cells, as the head {list(head)} does.")
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Format the mean, and with several values their sample standard deviation."""
    return f"{mean(values):.{digits}f}" + (f" ± {stdev(values):.{digits}f}" if len(values) > 1 else "")


def span(values: Sequence[float], digits: int) -> str:
    """Format the lowest and the highest value, or the only one, to a number of significant digits."""
    low, high = (f"{float(f'{value:.{digits}g}'):,.10g}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def published(figure: PublishedFigure | None) -> str:
    """Format a published figure with its spread; mark what was not verified."""
    if figure is None:
        return ""
    text = f"{figure.value:.3f}" + (f" ± {figure.spread:.3f}" if figure.spread else "")
    if figure.source == FROM_MEMORY:
        return f"{text} (unverified)"
    return text if figure.spread_verified else f"{text} (spread unverified)"
