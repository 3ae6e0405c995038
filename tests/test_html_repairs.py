"""Repairs of the HTML that Sphinx and the theme write."""

import io
import sys
from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip("pydata_sphinx_theme", reason="the extra 'docs' is not installed")
EXTENSIONS = Path(__file__).parents[1] / "docs" / "_extensions"
CONF = """
import sys
sys.path.insert(0, {extensions!r})
extensions = ["html_repairs", "inline_drawings"]
html_theme = "pydata_sphinx_theme"
maximum_signature_line_length = 10
"""
INDEX = """
Start
=====

.. toctree::

   reference
"""
REFERENCE = """
Reference
=========

.. py:function:: measure(first, second="<dl>")

   Return a figure.

===== =============
name  figure
===== =============
plain 0.992 ± 0.001
===== =============

.. image:: images/drawings/choice.svg
   :alt: A choice

.. toctree::

   page
"""
PAGE = """
Page
====

.. toctree::

   leaf
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build a site of four pages, and return their texts by name."""
    folder, patch = tmp_path_factory.mktemp("site"), pytest.MonkeyPatch()
    (folder / "conf.py").write_text(CONF.format(extensions=str(EXTENSIONS)), encoding="utf-8")
    for name, text in (("index", INDEX), ("reference", REFERENCE), ("page", PAGE), ("leaf", "Leaf\n====\n")):
        (folder / f"{name}.rst").write_text(text, encoding="utf-8")
    drawings = folder / "images" / "drawings"
    drawings.mkdir(parents=True)
    for name in ("choice", "choice_narrow"):
        (drawings / f"{name}.svg").write_text(f'<svg id="{name}"></svg>', encoding="utf-8")
    with patch.context() as context:
        context.setattr(sys, "path", [*sys.path])  # conf.py extends it
        app = import_module("sphinx.application").Sphinx(
            folder, folder, folder / "html", folder / "doctrees", "html", status=None, warning=io.StringIO()
        )
        app.build()
    return {path.stem: path.read_text(encoding="utf-8") for path in (folder / "html").glob("*.html")}


def test_parameters_of_a_long_signature_are_a_list(site):
    (signature,) = [part for part in site["reference"].split("<dt ") if "measure" in part.partition(">")[0]]
    signature = signature.partition("</dt>")[0]
    assert signature.count("<li>") == signature.count("</li>") == 2
    assert signature.count("<ul>") == signature.count("</ul>") == 1
    assert "<dl" not in signature and "<dd" not in signature and "&lt;dl&gt;" in signature


def test_buttons_of_the_navigation_have_names(site):
    assert '<summary aria-label="Pages in Page">' in site["page"]
    assert "<summary>" not in site["page"]


def test_a_figure_and_its_spread_stay_on_one_line(site):
    assert "0.992\u00a0±\u00a00.001" in site["reference"]


def test_a_drawing_has_both_layouts(site):
    start = '<div class="drawing {}" tabindex="0"><svg role="img" aria-label="A choice" id="{}">'
    assert start.format("wide", "choice") in site["reference"]
    assert start.format("narrow", "choice_narrow") in site["reference"]
