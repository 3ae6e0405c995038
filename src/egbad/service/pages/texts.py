"""Texts of the pages in English and Japanese."""

from collections.abc import Mapping

from starlette.requests import Request

from egbad.service.pages.english import ENGLISH
from egbad.service.pages.japanese import JAPANESE

CATALOGUES: Mapping[str, Mapping[str, str]] = {"en": ENGLISH, "ja": JAPANESE}


class Texts:
    """Texts in one language.

    Parameters
    ----------
    language : {"en", "ja"}

    Examples
    --------
    >>> Texts("en")("unnamed", id=7)
    'Item 7'
    """

    def __init__(self, language: str) -> None:
        self.language = language

    @property
    def other(self) -> str:
        """Return the other language."""
        return "en" if self.language == "ja" else "ja"

    def __call__(self, key: str, /, **values: object) -> str:
        """Return a text.

        Parameters
        ----------
        key : str
        **values : object
            Values of the placeholders.

        Returns
        -------
        str
        """
        return CATALOGUES[self.language][key].format(**values)


def choose_language(request: Request) -> str:
    """Return the language of the parameter `lang`, or the first known one that the browser accepts.

    Parameters
    ----------
    request : Request

    Returns
    -------
    str
    """
    given = request.query_params.get("lang", "")
    if given in CATALOGUES:
        return given
    accepted = request.headers.get("accept-language", "")[:200].split(",")
    names = [part.strip().lower()[:2] for part in sorted(accepted, key=_quality, reverse=True)]
    return next((name for name in names if name in CATALOGUES), "en")


def _quality(part: str) -> float:
    """Return the weight of a language in the header Accept-Language."""
    weight = part.partition(";q=")[2].strip()
    return float(weight) if weight.replace(".", "", 1).isdecimal() and weight.isascii() else 1.0
