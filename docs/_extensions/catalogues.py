"""Catalogues of messages for translators, without messages that are the same in every language."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

_MARKUP = re.compile(r"`[^`]*`|\$[^$]*\$")
_WORD = re.compile(r"[^\W\d_]{2}")


def has_words(text: str) -> bool:
    """Return True if a text in Markdown has words outside of its code and formulas."""
    return bool(_WORD.search(_MARKUP.sub("", text)))


def _mark(app: Sphinx, doctree: nodes.document) -> None:
    """Exclude formulas, and numbers such as the cells of a table, from the catalogues. Pages stay as they are."""
    if app.builder.name != "gettext":
        return
    for node in doctree.findall(nodes.TextElement):
        if isinstance(node, nodes.math_block) or not has_words(node.rawsource or node.astext()):
            node["translatable"] = False


def setup(app: Sphinx) -> ExtensionMetadata:
    """Connect the choice of messages."""
    app.connect("doctree-read", _mark)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
