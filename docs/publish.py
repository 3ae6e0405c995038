"""Add a built site to the folder of published versions: a folder for each version, "dev", and a list for the switcher.

python docs/publish.py docs/_build/html PUBLISHED v0.2.0 --url https://example.org/egbad
"""

import argparse
import json
import re
import shutil
from pathlib import Path

_RELEASE = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
_REDIRECT = '<!doctype html><title>egbad</title><meta http-equiv="refresh" content="0; url={target}/">\n'


def publish(site: Path, published: Path, version: str, url: str) -> None:
    """Copy a site to its place among the published versions, and update the list of versions.

    Parameters
    ----------
    site : Path
        Folder of the built site.
    published : Path
        Folder of all versions.
    version : str
        "dev" or a release, such as "v0.2.0". The newest release is also found as "stable".
    url : str
        Address of the folder of all versions.

    Raises
    ------
    ValueError
        If the version is neither "dev" nor a release.
    """
    if version != "dev" and not _RELEASE.fullmatch(version):
        raise ValueError(f'The version must be "dev" or a release such as "v0.2.0", got {version!r}.')
    _replace(site, published / version)
    releases = sorted((folder.name for folder in published.iterdir() if _RELEASE.fullmatch(folder.name)), key=_number)
    if releases and version == releases[-1]:
        _replace(site, published / "stable")
    newest = releases[-1:]
    entries = [
        {"name": f"{name} (stable)", "version": name, "url": f"{url}/stable/", "preferred": True} for name in newest
    ]
    entries += [{"name": name, "version": name, "url": f"{url}/{name}/"} for name in reversed(releases[:-1])]
    if (published / "dev").exists():
        entries.append({"name": "dev", "version": "dev", "url": f"{url}/dev/"})
    (published / "switcher.json").write_text(json.dumps(entries, indent=2) + "\n")
    (published / "index.html").write_text(_REDIRECT.format(target="stable" if releases else "dev"))
    (published / ".nojekyll").touch()  # or folders that begin with an underscore are not served


def _replace(source: Path, target: Path) -> None:
    """Copy a folder in place of another one."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def _number(version: str) -> tuple[int, ...]:
    """Return the numbers of a release, by which releases are in order."""
    return tuple(int(part) for part in version.removeprefix("v").split("."))


def main() -> None:
    """Publish the version that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path)
    parser.add_argument("published", type=Path)
    parser.add_argument("version")
    parser.add_argument("--url", required=True, help="address of the published folder")
    options = parser.parse_args()
    publish(options.site, options.published, options.version, options.url.rstrip("/"))


if __name__ == "__main__":
    main()
