"""The built site in a real browser: width, accessibility and errors of its pages. `make docs` builds it.

It takes about an hour on one core, most of it for the contrast of colours; `-k "1280 and dark"` runs a quarter.
"""

import shutil
from pathlib import Path

import pytest

from tests.test_translations import translated_pages

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
CHROMIUM = shutil.which("chromium")
SITE = Path(__file__).parents[1] / "docs" / "_build" / "html"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no program 'chromium'"),
    pytest.mark.skipif(not (SITE / "ja" / "index.html").exists(), reason="the site is not built: run `make docs`"),
]
# All rules on all elements. Without the paths of elements, which no message needs, axe-core takes half the time.
AXE_OPTIONS = {"resultTypes": ["violations"], "selectors": False, "elementRef": False}
# The theme scrolls an article that is wider than its column, so that the window itself is never too narrow.
TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll(".bd-article-container")]
    .some(element => element.scrollWidth > element.clientWidth)"""


def pages():
    """Return the addresses of the pages, relative to the site.

    The Japanese site repeats English pages that are not translated. Of each kind of such pages the last one is enough.
    """
    names = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
    names = [name for name in names if not name.startswith(("_", "ja/")) and name != "search.html"]
    translated = [f"{page}.html" for page in translated_pages()]
    others = {
        ("/" in name and name.partition("/")[0], name.count("/")): name for name in names if name not in translated
    }
    return [*names, *(f"ja/{name}" for name in [*translated, *sorted(others.values())])]


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_and_are_accessible(browser, scheme, width):
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page, faults = context.new_page(), []
    page.on("pageerror", lambda error: faults.append((page.url, str(error))))
    for name in pages():
        page.goto((SITE / name).as_uri())
        if page.evaluate(TOO_WIDE):
            faults.append((name, "is wider than its window"))
        violations = axe.Axe().run(page, options=AXE_OPTIONS).response["violations"]
        faults += [(name, v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in violations]
    context.close()
    assert not faults, faults[:20]
