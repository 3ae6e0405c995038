"""The built site in a real browser: width, accessibility and errors of its pages. `make docs` builds it."""

import shutil
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
CHROMIUM = shutil.which("chromium")
SITE = Path(__file__).parents[1] / "docs" / "_build" / "html"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no program 'chromium'"),
    pytest.mark.skipif(not (SITE / "ja" / "index.html").exists(), reason="the site is not built: run `make docs`"),
]
# Pages of one template differ in their text only: of these folders the first two pages stand for all.
ALIKE = ("reference/generated", "gallery")


def pages():
    """Return the addresses of the pages to look at, relative to the site."""
    found = []
    for language in ("", "ja/"):
        names = sorted(path.relative_to(SITE / language).as_posix() for path in (SITE / language).rglob("*.html"))
        names = [name for name in names if not name.startswith(("_", "ja/")) and name != "search.html"]
        alike = [[name for name in names if name.startswith(folder)] for folder in ALIKE]
        rest = [name for name in names if not name.startswith(ALIKE)]
        found += [language + name for name in [*rest, *(name for group in alike for name in group[:2])]]
    return found


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
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append((name, "is wider than the window"))
        if width == 1280:
            violations = axe.Axe().run(page).response["violations"]
            faults += [(name, v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in violations]
    context.close()
    assert not faults, faults[:20]
