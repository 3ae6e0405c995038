"""Threshold and colour scale of anomaly maps, from the maps of held-out normal images."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from egbad.arrays import Array, ArraySpec, Floats, State, check_arrays
from egbad.scoring import calibration
from egbad.scoring.border_levels import N_BANDS, border_bands, border_excess, lower_border

MAX_MAPS = 1000  # calibration images whose maps are computed: allows an alpha of 0.001
_ARRAYS = {
    "peaks": ArraySpec("float64", ("n_maps",), ascending=True),
    "median": ArraySpec("float64"),
    "border": ArraySpec("float64", ("n_bands",), low=0, optional=True),
}
_MIN_RELATIVE_SPAN = 1e-6  # of a colour scale, where the maps of all normal images are constant


@dataclass(frozen=True)
class NormalMaps:
    """Levels of the anomaly maps of normal images that were not trained on.

    Attributes
    ----------
    peaks : ndarray of shape (n_maps,)
        Highest value of each map, ascending.
    median : float
        Median over the maps of their medians: the value of an ordinary pixel.
    border : ndarray of shape (N_BANDS + 1,) or None
        Amounts by which maps are lowered near the border, see `egbad.scoring.border_levels`. The peaks are those of lowered maps.
    """

    peaks: Floats
    median: float
    border: Floats | None = None

    @classmethod
    def fit(cls, maps: Iterable[Floats], *, with_border: bool = False) -> Self:
        """Collect the levels of maps, one after the other.

        Parameters
        ----------
        maps : iterable of ndarray of shape (h, w)
            At least one.
        with_border : bool, default=False
            Lower maps near the border.

        Returns
        -------
        NormalMaps

        Examples
        --------
        >>> import numpy as np
        >>> NormalMaps.fit([np.array([[0.0, 1.0, 5.0]]), np.array([[1.0, 2.0, 3.0]])])
        NormalMaps(peaks=array([3., 5.]), median=1.5, border=None)
        """
        if with_border:
            return cls._fit_with_border(maps)
        peaks, medians = zip(*((float(one.max()), float(np.median(one))) for one in maps), strict=True)
        return cls(np.sort(np.nan_to_num(peaks)), float(np.nan_to_num(np.median(medians))))

    @classmethod
    def _fit_with_border(cls, maps: Iterable[Floats]) -> Self:
        band_peaks, medians, totals = list[Floats](), list[float](), np.zeros((3, N_BANDS + 1))
        for one in maps:
            bands, values = border_bands(*one.shape).ravel(), np.nan_to_num(one).ravel()
            for total, weights in zip(totals, (np.ones_like(values), values, values**2), strict=True):
                total += np.bincount(bands, weights, N_BANDS + 1)
            highest = np.full(N_BANDS + 1, -np.inf)
            np.maximum.at(highest, bands, values)
            band_peaks.append(highest)
            medians.append(float(np.median(values)))
        border = border_excess(*totals)
        return cls(np.sort((np.array(band_peaks) - border).max(axis=1)), float(np.median(medians)), border)

    def lower(self, maps: Array) -> Array:
        """Lower maps near the border to the level that normal images have inside.

        Parameters
        ----------
        maps : ndarray of shape (n, h, w), or (n,) for images of different sizes

        Returns
        -------
        ndarray of the shape of `maps`
            `maps` itself if the levels near the border are not known.
        """
        return maps if self.border is None else lower_border(maps, self.border)

    def threshold(self, alpha: float) -> float:
        """Return a value that about a share `alpha` of normal images exceeds anywhere.

        It is the conformal threshold of the highest values (see `egbad.scoring.calibration.threshold`), so `alpha` is a
        false-alarm rate of regions: at most this share of new normal images has a pixel above it.

        Parameters
        ----------
        alpha : float
            In (0, 1). m maps allow ``1 / (m + 1)`` or more.

        Returns
        -------
        float

        Raises
        ------
        InvalidInputError
            If `alpha` is not in (0, 1).
        """
        return calibration.threshold(self.peaks, alpha)

    def scale(self, alpha: float) -> tuple[float, float]:
        """Return the values of the darkest and of the brightest colour, the same for all images.

        The darkest is that of an ordinary pixel of a normal image. The threshold has the colour in the middle.

        Parameters
        ----------
        alpha : float
            In (0, 1).

        Returns
        -------
        low, high : float
        """
        least = _MIN_RELATIVE_SPAN * max(abs(self.median), _MIN_RELATIVE_SPAN)
        return self.median, self.median + 2 * max(self.threshold(alpha) - self.median, least)

    def relative(self, maps: Array) -> Array:
        """Bring maps to a scale on which 0 is an ordinary pixel, and 1 the highest pixel of an ordinary normal image.

        Parameters
        ----------
        maps : ndarray of shape (n, h, w), or (n,) for images of different sizes

        Returns
        -------
        ndarray of the shape of `maps`
        """
        low, high = self.scale(0.5)
        return np.asarray((maps - low) / ((high - low) / 2))

    def state(self) -> State:
        """Return the levels as arrays, for a model file."""
        found = {"peaks": self.peaks, "median": np.asarray(self.median)}
        return found if self.border is None else found | {"border": self.border}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """Restore the levels from the arrays that `state` returned.

        Raises
        ------
        InvalidEntryError
            If an array is not one that `state` returns.
        """
        check_arrays(state, _ARRAYS, {"n_bands": N_BANDS + 1})
        return cls(state["peaks"], float(state["median"].item()), state.get("border"))
