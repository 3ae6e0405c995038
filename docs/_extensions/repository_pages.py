"""Pages whose text is a file of the repository outside docs, and links to such files.

A page of `TEXTS` is empty in docs and gets its text here, so that the file stands in one place and its links work in the
repository as well as on the site.
"""

import re
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a test resolves links without Sphinx
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

TEXTS = {"measurements": "benchmarks/RESULTS.md", "contributing": "CONTRIBUTING.md", "changelog": "CHANGELOG.md"}
PAGES = {path: f"{page}.md" for page, path in TEXTS.items()} | {"README.md": "index.md"}

_LINK = re.compile(r"(\]\()([^)\s#:]+\.md)(#[^)\s]*)?\)")


def site_link(target: str, file: Path) -> str:
    """Return the path from docs of a link's target, for a link that stands in a file of the repository.

    Parameters
    ----------
    target : str
        Path relative to the folder of the file, without an anchor.
    file : Path
        File that holds the link.

    Returns
    -------
    str
        The target as MyST reads it, such as "/guide/tables.md". Other files of the repository keep their targets.
    """
    path = (file.parent / target).resolve()
    if path.is_relative_to(DOCS):
        return f"/{path.relative_to(DOCS).as_posix()}"
    page = PAGES.get(Path(relpath(path, ROOT)).as_posix())
    return f"/{page}" if page else target


def with_site_links(text: str, file: Path) -> str:
    """Return Markdown with the targets of its links as `site_link` gives them.

    Parameters
    ----------
    text : str
    file : Path
        File that holds the text.

    Returns
    -------
    str
    """
    return _LINK.sub(lambda m: f"{m[1]}{site_link(m[2], file)}{m[3] or ''})", text)


def _read(app: "Sphinx", page: str, source: list[str]) -> None:
    """Replace the text of a page of `TEXTS`, and the targets of links in Markdown."""
    file = Path(app.env.doc2path(page))
    if page in TEXTS:
        file = ROOT / TEXTS[page]
        app.env.note_dependency(file)
        source[0] = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        source[0] = with_site_links(source[0], file)


def setup(app: "Sphinx") -> "ExtensionMetadata":
    """Connect the reader of pages."""
    app.connect("source-read", _read)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
