"""All languages have all texts."""

from string import Formatter

from egbad.report.catalogues import ATTRIBUTION_METHODS, CATALOGUES, REGION_WORDS


def test_languages_have_the_same_messages_with_the_same_placeholders():
    def placeholders(text):
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    for catalogue in CATALOGUES.values():
        assert catalogue.keys() == CATALOGUES["en"].keys()
        assert all(placeholders(catalogue[key]) == placeholders(text) for key, text in CATALOGUES["en"].items())
    assert set(REGION_WORDS) == set(CATALOGUES) - {"en"}
    assert set(ATTRIBUTION_METHODS) == set(CATALOGUES)
    assert all(texts.keys() == ATTRIBUTION_METHODS["en"].keys() for texts in ATTRIBUTION_METHODS.values())
