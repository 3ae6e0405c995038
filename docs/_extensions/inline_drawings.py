"""Drawings of `images/drawings` become part of their page, where their colours follow the theme.

A drawing with a second file, "NAME_narrow.svg", has a layout of its own on phones.
"""

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
                image.replace_self(nodes.raw("", self._html(file, image.get("alt", "")), format="html"))

    def _html(self, file: Path, alt: str) -> str:
        """Return a drawing in its layout, or in both, of which the style sheet shows one."""
        narrow = file.with_stem(f"{file.stem}_narrow")
        layouts = {"wide": file, "narrow": narrow} if narrow.exists() else {"": file}
        for path in layouts.values():
            self.env.note_dependency(str(path))
        return "".join(inline(path.read_text("utf-8"), alt, layout) for layout, path in layouts.items())


def inline(svg: str, alt: str, layout: str = "") -> str:
    """Return a drawing for a page. It scrolls by itself where it is wider than the page.

    Parameters
    ----------
    svg : str
        Text of the file.
    alt : str
        Description for those who do not see it.
    layout : {"", "wide", "narrow"}
        Windows to show it in: all, or those that are wider or narrower than 600 pixels.

    Returns
    -------
    str
    """
    described = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(alt, quote=True)}" ', 1)
    return f'<div class="{f"drawing {layout}".strip()}" tabindex="0">{described}</div>'


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the transform."""
    app.add_transform(InlineDrawings)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
