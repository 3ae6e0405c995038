"""Published versions of the site: folders, the list of versions and where the first page leads."""

import json

import pytest

from docs.publish import publish

URL = "https://example.org/egbad"


@pytest.fixture
def site(tmp_path):
    """A function that builds a site of one page and publishes it."""

    def build(version, text=""):
        folder = tmp_path / "site"
        (folder / "_static").mkdir(parents=True, exist_ok=True)
        (folder / "index.html").write_text(text or version)
        publish(folder, published, version, URL)

    published = tmp_path / "published"
    published.mkdir()
    return published, build


def read(published, name):
    return (published / name / "index.html").read_text()


def switcher(published):
    return [(entry["version"], entry["url"]) for entry in json.loads((published / "switcher.json").read_text())]


def test_without_a_release_the_first_page_leads_to_the_development_version(site):
    published, build = site
    build("dev")
    assert "url=dev/" in (published / "index.html").read_text()
    assert switcher(published) == [("dev", f"{URL}/dev/")]


def test_the_newest_release_is_stable_whatever_the_order_of_publication(site):
    published, build = site
    for version in ("dev", "v0.9.0", "v0.10.0", "v0.9.1"):
        build(version)
    assert read(published, "stable") == "v0.10.0"
    assert read(published, "v0.9.1") == "v0.9.1"
    assert "url=stable/" in (published / "index.html").read_text()
    assert switcher(published) == [
        ("v0.10.0", f"{URL}/stable/"),
        ("v0.9.1", f"{URL}/v0.9.1/"),
        ("v0.9.0", f"{URL}/v0.9.0/"),
        ("dev", f"{URL}/dev/"),
    ]


def test_a_version_that_is_published_again_replaces_the_old_one(site):
    published, build = site
    build("v0.2.0", "old")
    (published / "v0.2.0" / "removed.html").write_text("")
    build("v0.2.0", "new")
    assert read(published, "v0.2.0") == read(published, "stable") == "new"
    assert not (published / "v0.2.0" / "removed.html").exists()


def test_other_versions_are_refused(site):
    _, build = site
    with pytest.raises(ValueError, match="got 'main'"):
        build("main")
