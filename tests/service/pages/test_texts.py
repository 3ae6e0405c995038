"""The texts of the pages are complete in both languages."""

import re
from pathlib import Path
from string import Formatter

import pytest

import egbad.service
from egbad.service.pages.texts import CATALOGUES, Texts

FOLDER = Path(egbad.service.__file__).parent
SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in [*FOLDER.rglob("*.py"), *FOLDER.rglob("*.jinja")]
    if path.name not in ("english.py", "japanese.py")
)
# Keys that are put together from a part of this beginning and a name.
BEGINNINGS = re.findall(r'(?:t|text)\(f?"([a-z_]+_)(?:\{|" ~)', SOURCE)


def placeholders(text):
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_texts_and_placeholders():
    english, japanese = CATALOGUES["en"], CATALOGUES["ja"]
    assert english.keys() == japanese.keys()
    assert [key for key in english if placeholders(english[key]) != placeholders(japanese[key])] == []


def test_every_text_is_used():
    used = {*re.findall(r'"([a-z_0-9]+)"', SOURCE)} | {*re.findall(r"'([a-z_0-9]+)'", SOURCE)}
    unused = [key for key in CATALOGUES["en"] if key not in used and not key.startswith(tuple(BEGINNINGS))]
    assert unused == []


@pytest.mark.parametrize("language", ["en", "ja"])
def test_texts_have_their_values_filled_in(language):
    text = Texts(language)("drift_order", row="1,200")
    assert "1,200" in text and "{" not in text
