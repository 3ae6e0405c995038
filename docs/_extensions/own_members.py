"""The reference shows what egbad defines, and leaves out what classes inherit from scikit-learn, torch and pydantic."""

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

_METADATA_ROUTING = re.compile(r"set_\w+_request")  # methods that scikit-learn makes for each class


def _skip(app: Sphinx, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    """Return True for members that another package defines, None to leave the decision to autodoc."""
    owner = member.fget if isinstance(member, property) else member
    module = getattr(owner, "__module__", None) or "egbad"
    foreign = not str(module).startswith("egbad") and callable(owner)
    return True if foreign or _METADATA_ROUTING.fullmatch(name) or name == "model_config" else None


def setup(app: Sphinx) -> ExtensionMetadata:
    """Connect the choice of members."""
    app.connect("autodoc-skip-member", _skip)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
