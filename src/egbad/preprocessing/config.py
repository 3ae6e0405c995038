"""Preprocessing options that every detector shares."""

from collections.abc import Sequence
from dataclasses import dataclass

from egbad.preprocessing.sklearn_base import BaseEstimator


@dataclass(kw_only=True, repr=False)
class Preprocessing(BaseEstimator):
    """Options of the encoder and of the choice of training rows.

    Options that are None take the value of the detector's recipe.

    Parameters
    ----------
    scaling : {"standard", "robust", "minmax", "rank_normal", "none"}, optional
        Scaling of the columns of a table, see `egbad.preprocessing.row_encoder.RowEncoder`. Images are always scaled to
        [-1, 1].
    log_columns : sequence of str or int, optional
        Columns to transform by log(1 + x) before scaling, by name or position. By default these are the columns that
        hold non-negative whole numbers with a heavy tail; with ``recipe="paper"`` there are none.
    clip : float, optional
        Standard deviations at which networks see a column clipped, with scaling "standard" or "robust". Otherwise a single
        far value would decide alone. 0 turns clipping off. Default 8; with ``recipe="paper"`` 0.
    drop_duplicates : bool, optional
        Leave repeated rows out of training and scaling, so that frequent rows do not hide rare normal ones. Calibration
        rows are held out before and keep their duplicates.
    range_guard : bool, optional
        Clip rows to the range of the training rows before they are scored, and add the score term ``"range_penalty"``
        for the distance to that range. Use it for methods whose score does not grow outside the training data.
    trim_fraction : float, optional
        Fraction of the training rows to drop, in [0, 0.5), for data that may contain unnoticed anomalies. The rows that an
        isolation forest (Liu et al., 2008) isolates first are dropped. Twice the expected fraction of anomalies wins back
        a third to a half of what 5 to 10 percent of anomalies cost the nearest neighbour; on clean data rare normal rows
        are lost. Default 0.

    Examples
    --------
    >>> from egbad import EGBAD
    >>> from egbad.preprocessing import Preprocessing
    >>> EGBAD(preprocessing=Preprocessing(scaling="minmax")).get_params()["preprocessing__scaling"]
    'minmax'
    """

    scaling: str | None = None
    log_columns: Sequence[str | int] | None = None
    clip: float | None = None
    drop_duplicates: bool | None = None
    range_guard: bool | None = None
    trim_fraction: float | None = None
