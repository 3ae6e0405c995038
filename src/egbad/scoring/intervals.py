"""Confidence intervals of shares."""

from scipy.special import betaincinv


def binomial_interval(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Compute the exact confidence interval of a share (Clopper and Pearson, 1934).

    Parameters
    ----------
    count : int
        Number of successes.
    n : int
        Number of trials, at least 1.
    confidence : float, default=0.95

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> low, high = binomial_interval(0, 100)
    >>> low, round(high, 4)
    (0.0, 0.0362)
    """
    tail = (1 - confidence) / 2
    low = float(betaincinv(count, n - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, n - count, 1 - tail)) if count < n else 1.0
    return low, high
