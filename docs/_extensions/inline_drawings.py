"""Drawings of `images/drawings` become part of their page, where their colours follow the theme."""

from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.typing import ExtensionMetadata

FOLDER = "images/drawings/"


class InlineDrawings(SphinxTransform):
    """Replaces images by the text of their files."""

    default_priority = 500

    def apply(self, **kwargs: object) -> None:
        """Replace the drawings of a page."""
        for image in [*self.document.findall(nodes.image)]:
            if FOLDER in image["uri"]:
                file = (Path(self.env.doc2path(self.env.docname)).parent / image["uri"]).resolve()
                self.env.note_dependency(str(file))
                image.replace_self(nodes.raw("", inline(file.read_text("utf-8"), image.get("alt", "")), format="html"))


def inline(svg: str, alt: str) -> str:
    """Return a drawing for a page. It scrolls by itself where it is wider than the page.

    Parameters
    ----------
    svg : str
        Text of the file.
    alt : str
        Description for those who do not see it.

    Returns
    -------
    str
    """
    described = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(alt, quote=True)}" ', 1)
    return f'<div class="drawing" tabindex="0">{described}</div>'


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the transform."""
    app.add_transform(InlineDrawings)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
