"""Messages of the findings report in English and Japanese."""

from collections.abc import Mapping

from egbad.data.column_types import describe_value
from egbad.errors import shorten, unknown
from egbad.explain.grouping import ExplanationGroup
from egbad.explain.reasons import Reason
from egbad.explain.regions import Region
from egbad.report.catalogues import ATTRIBUTION_METHODS, CATALOGUES, REGION_WORDS
from egbad.report.findings import RowLocation


class Messages:
    """Messages in one language.

    Parameters
    ----------
    language : {"en", "ja"}

    Raises
    ------
    InvalidInputError
        If the language is unknown.

    Examples
    --------
    >>> Messages("en")("row", row="12")
    'row 12'
    """

    def __init__(self, language: str) -> None:
        if language not in CATALOGUES:
            raise unknown("language", language, tuple(CATALOGUES))
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        """Format a message.

        Parameters
        ----------
        key : str
            A key of the catalogue.
        **values : object
            Values of the placeholders.

        Returns
        -------
        str
        """
        return CATALOGUES[self.language][key].format(**values)

    def counted(self, n: int, kind: str) -> str:
        """Format a number of rows or images with its noun.

        Parameters
        ----------
        n : int
        kind : {"rows", "images"}

        Returns
        -------
        str

        Examples
        --------
        >>> Messages("en").counted(1, "rows"), Messages("en").counted(1200, "images")
        ('1 row', '1,200 images')
        """
        return self(f"one_{kind}" if n == 1 else f"many_{kind}", n=f"{n:,}")

    def location(self, location: RowLocation) -> str:
        """Format the location of a row or an image.

        Parameters
        ----------
        location : RowLocation

        Returns
        -------
        str

        Examples
        --------
        >>> Messages("en").location(RowLocation("new.csv", 1200))
        'new.csv, row 1,200'
        >>> Messages("en").location(RowLocation(row=7, ids={"customer": "A17"}))
        'row 7, customer=A17'
        """
        parts = [] if location.file is None else [location.file]
        parts += [] if location.row is None else [self("row", row=f"{location.row:,}")]
        parts += [f"{name}={'' if value is None else shorten(str(value))}" for name, value in location.ids.items()]
        return ", ".join(parts)

    def region(self, name: str) -> str:
        """Translate the name of a region of an image.

        Parameters
        ----------
        name : str
            One of `egbad.explain.regions.REGIONS`.

        Returns
        -------
        str
        """
        words = REGION_WORDS.get(self.language)
        return name if words is None else "".join(words[word] for word in reversed(name.split()))

    def anomalous_region(self, region: Region) -> str:
        """Describe a region of an image and its part in the score.

        Parameters
        ----------
        region : Region

        Returns
        -------
        str
            A sentence without a full stop.

        Examples
        --------
        >>> Messages("en").anomalous_region(Region("upper left", 4, 9, 16, 30, 180, 1.25, 0.62, True))
        'Above the pixel threshold: upper left, 21 x 12 pixels in rows 4 to 15 and columns 9 to 29 (62% of the score)'
        """
        key = "region_above" if region.above_threshold else "region"
        return self(key, place=self._place(region), weight=percent(region.share))

    def _place(self, region: Region) -> str:
        return self(
            "region_place",
            name=self.region(region.name),
            width=region.right - region.left,
            height=region.bottom - region.top,
            top=region.top,
            bottom=region.bottom - 1,
            left=region.left,
            right=region.right - 1,
        )

    def reason(self, reason: Reason, column_type: str) -> str:
        """Explain the part of one column in a row's score.

        Parameters
        ----------
        reason : Reason
        column_type : str
            Type of the column.

        Returns
        -------
        str
            A sentence without a full stop.

        Examples
        --------
        >>> Messages("en").reason(Reason("src_bytes", 1.0, 54540.0, 200.0, 0.0, 310.0), "number")
        'src_bytes is 54,540; similar normal rows have 0 to 310'
        """
        observed = self.value(column_type, reason.observed)
        expected = self.value(column_type, reason.expected)
        subject = self(
            "observed_missing" if reason.observed is None else "observed", name=reason.column, observed=observed
        )
        tail = "" if reason.p_value is None or reason.p_value > 0.5 else self("tail", tail=percent(reason.p_value))
        if _is_outside_range(reason):
            low, high = self.value(column_type, reason.low), self.value(column_type, reason.high)
            return subject + self("range", low=low, high=high) + tail
        if reason.expected is None or expected == observed:
            return subject + self("unusual") + tail
        return subject + self("expected_value", expected=expected) + tail

    def group(self, group: ExplanationGroup, column_types: Mapping[str, str]) -> str:
        """Describe the columns that a group of rows has in common, or the region of the first image of a group.

        Parameters
        ----------
        group : ExplanationGroup
        column_types : mapping of str to str
            Column types by name. Columns that are not listed hold numbers.

        Returns
        -------
        str
        """
        if not group.names:
            return self("group_rest")
        if group.region is not None:
            return self("group_region", place=self._place(group.region), weight=percent(group.region.share))
        columns = zip(group.names, group.observed, group.expected, group.is_typical, strict=True)
        return self("list_separator").join(
            self._typical(name, column_types.get(name, "number"), observed, expected)
            if is_typical
            else self("not_typical", name=name)
            for name, observed, expected, is_typical in columns
        )

    def _typical(self, name: str, column_type: str, observed: object, expected: object) -> str:
        """Format the typical and the expected value of a column in a group."""
        shown = self.value(column_type, observed)
        if expected is None:
            return self("typical_alone", name=name, observed=shown)
        return self("typical", name=name, observed=shown, expected=self.value(column_type, expected))

    def value(self, column_type: str, value: object) -> str:
        """Format a value of a column.

        Parameters
        ----------
        column_type : str
        value : object
            None if the value is missing.

        Returns
        -------
        str
        """
        return self("missing") if value is None else describe_value(column_type, value)

    def method(self, method: str) -> str:
        """Describe how the shares of an explanation were computed.

        Parameters
        ----------
        method : str
            `Explanation.method`. For a blend the methods of its parts, separated by commas.

        Returns
        -------
        str

        Examples
        --------
        >>> Messages("en").method("differences")
        'Attribution method: the score, distributed by the difference from the expected values.'
        """
        names = _split_methods(method)
        texts = [method] if names is None else [ATTRIBUTION_METHODS[self.language][name] for name in names]
        return self("method", method="; ".join(texts))

    def terms(self, terms: Mapping[str, float], spread: float | None) -> str:
        """Format the terms of a score, and its spread over members if it is known.

        Parameters
        ----------
        terms : mapping of str to float
        spread : float or None

        Returns
        -------
        str

        Examples
        --------
        >>> Messages("en").terms({"residual": 0.51234, "features": 2.0}, 0.1)
        'residual 0.512, features 2, standard deviation over members or parts 0.1'
        """
        parts = [f"{name} {value:.3g}" for name, value in terms.items()]
        return ", ".join(parts if spread is None else [*parts, self("spread", spread=f"{spread:.2g}")])


def _split_methods(method: str) -> list[str] | None:
    """Split the attribution methods of a blend, which commas separate. Return None if one of them is unknown."""
    rest, found = method, {}
    for name in sorted(ATTRIBUTION_METHODS["en"], key=len, reverse=True):  # "gradients" is a part of longer names
        if name in rest:
            found[method.index(name)] = name
            rest = rest.replace(name, "")
    return None if rest.strip(", ") else [found[position] for position in sorted(found)]


def _is_outside_range(reason: Reason) -> bool:
    """Return True if the range of normal values is known and the value is missing or lies outside."""
    if reason.low is None or reason.high is None or reason.low == reason.high:
        return False
    return reason.observed is None or not reason.low <= reason.observed <= reason.high


def percent(share: float) -> str:
    """Format a share in [0, 1] as a percentage with two significant digits.

    Parameters
    ----------
    share : float

    Returns
    -------
    str

    Examples
    --------
    >>> percent(0.5), percent(0.0123), percent(0.00001), percent(0.0)
    ('50%', '1.2%', '0.001%', '0%')
    """
    return f"{float(f'{100 * share:.2g}'):.10g}%"
