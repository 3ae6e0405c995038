"""Repairs of the HTML that Sphinx and the theme write. `tests/test_site.py` looks at the pages in a browser."""

import re
from collections.abc import Callable
from typing import Any

from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.locale import _
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

_TAG = re.compile(r"(?<=<)(/?)(dl|dd)\b")
_IN_LISTS = {"dl": "ul", "dd": "li"}


class Translator(HTML5Translator):
    """Writes the parameters of long signatures as a list.

    Sphinx writes one `dd` for each parameter into a `dl` without any `dt`, which HTML does not allow: screen readers
    announce descriptions of nothing.
    """

    def visit_desc_parameterlist(self, node: nodes.Element) -> None:
        """Begin the parameters."""
        self.context.append(str(len(self.body)))  # lies below what Sphinx adds until the end of the parameters
        super().visit_desc_parameterlist(node)

    def depart_desc_parameterlist(self, node: nodes.Element) -> None:
        """End the parameters, and change their tags. Their texts have no "<", which is "&lt;" there."""
        super().depart_desc_parameterlist(node)
        start = int(self.context.pop())
        self.body[start:] = [_TAG.sub(lambda m: m[1] + _IN_LISTS[m[2]], part) for part in self.body[start:]]


class WholeFigures(SphinxPostTransform):
    """Keeps a figure and its spread, such as "0.992 ± 0.001", on one line of a narrow column."""

    default_priority = 900

    def run(self, **kwargs: Any) -> None:
        """Replace the spaces around the sign in the cells of tables."""
        for entry in self.document.findall(nodes.entry):
            for text in [*entry.findall(nodes.Text)]:
                if " ± " in text:
                    text.parent.replace(text, nodes.Text(text.replace(" ± ", "\u00a0±\u00a0")))


def name_toggles(navigation: BeautifulSoup) -> None:
    """Name the buttons of a navigation that open and close lists of pages.

    The theme writes the link to a page, and beside it a `summary` with an icon only.

    Parameters
    ----------
    navigation : BeautifulSoup
        Changed in place.
    """
    for summary in navigation.select("li > details > summary"):
        link = summary.parent.find_previous_sibling("a")
        if link is not None:
            summary["aria-label"] = _("Pages in %s") % link.get_text(" ", strip=True)


def _wrap(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Replace the theme's function that makes the navigation of a page by one that names its buttons."""
    generate: Callable[..., Any] | None = context.get("generate_toctree_html")
    if generate is None:
        return

    def generate_named(*args: Any, **kwargs: Any) -> BeautifulSoup:
        navigation = BeautifulSoup(str(generate(*args, **kwargs)), "html.parser")
        name_toggles(navigation)
        return navigation

    context["generate_toctree_html"] = generate_named


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the repairs. The theme extends the translator, and makes its functions for pages before they are wrapped."""
    app.set_translator("html", Translator)
    app.add_post_transform(WholeFigures)
    app.connect("html-page-context", _wrap, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
