"""A threshold that was set anew by normal rows that came after the fit."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field


@dataclass(frozen=True)
class Recalibration:
    """Provenance of a threshold that was set without training.

    Attributes
    ----------
    rows : int
        Number of normal rows that set it.
    earlier_threshold : float
        Threshold before.
    earlier_flagged : float
        Share of these rows above the earlier threshold, in [0, 1]. A share far above `alpha` says that normal rows have changed.
    """

    rows: Annotated[int, Field(ge=1)]
    earlier_threshold: Annotated[float, Field(allow_inf_nan=True)]
    earlier_flagged: Annotated[float, Field(ge=0, le=1)]
