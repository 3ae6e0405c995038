"""The pages in a real browser: keys, files, and accessibility. Skipped where Playwright or Chromium is missing."""

import re
import shutil

import pytest

from egbad.service.store import ItemFilter, open_store
from tests.service.conftest import images, numbers, png, running
from tests.service.pages_helpers import HOSTILE, item

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no program 'chromium'"),
]
SEND = """async ([address, bytes]) => {
    await fetch(address, { method: "POST", headers: { "Content-Type": "image/png" }, body: new Uint8Array(bytes) });
}"""
DROP = """([name, text]) => {
    const files = new DataTransfer();
    files.items.add(new File([text], name));
    document.dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def service(models, tmp_path_factory):
    """Address and store of a service with flagged rows and an image, some with hostile keys."""
    with open_store(tmp_path_factory.mktemp("browser") / "reviews.db", keep=True) as store:
        paths = [models / "numbers.egbad", models / "images.egbad"]
        with running(paths, store=store, keep="all") as server, server.client() as client:
            rows = [{"id": f"row {i}", "x": 9.0 + i, "y": 0, "z": -9} for i in range(5)]
            client.post("/v1/models/numbers/score", json={"rows": rows})
            picture = png(images(1, 0)[0] // 255 * 255)
            client.post("/v1/models/images/score", content=picture, headers={"content-type": "image/png"})
            store.append([item(i, key) for i, key in enumerate(HOSTILE)]).result()
            yield server.url, store


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page that has reported no error at the end of the test."""
    errors = []
    context = browser.new_context()
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert errors == []


def test_items_are_reviewed_with_keys(service, page):
    url, store = service
    page.goto(f"{url}/review?key=row&model=numbers&order=score")
    waiting, status = page.locator("[data-state=waiting]"), page.locator("#status")
    n = waiting.count()
    first, second = (waiting.nth(i).get_attribute("id") for i in (0, 1))
    page.fill("#reviewer", "Ann")
    page.locator("h1").click()
    page.keyboard.press("c")
    sync_api.expect(status).to_contain_text("Confirmed as an anomaly")
    sync_api.expect(waiting).to_have_count(n - 1)
    sync_api.expect(page.locator(f"#{second}")).to_be_focused()
    page.keyboard.press("d")
    sync_api.expect(status).to_contain_text("Dismissed as a false alarm")
    sync_api.expect(waiting).to_have_count(n - 2)
    page.keyboard.press("u")
    sync_api.expect(status).to_contain_text("Review undone")
    sync_api.expect(waiting).to_have_count(n - 1)
    sync_api.expect(page.locator(f"#{second}")).to_be_focused()
    page.keyboard.press("k")
    sync_api.expect(page.locator(f"#{first}")).to_be_focused()
    found = [[(r.verdict, r.reviewer) for r in store.history(int(name.split("-")[1]))] for name in (first, second)]
    assert found == [[("confirmed", "Ann")], [("dismissed", "Ann"), ("undone", "Ann")]]


def test_keys_that_are_typed_or_switched_off_review_nothing(service, page):
    url, _ = service
    page.goto(f"{url}/review")
    n = page.locator("[data-state=waiting]").count()
    page.locator("input[name=note]").first.focus()
    page.keyboard.type("cd")
    page.uncheck("#shortcuts")
    page.locator("h1").click()
    page.keyboard.press("c")
    page.reload()
    assert page.locator("[data-state=waiting]").count() == n and not page.is_checked("#shortcuts")


def test_a_table_is_dropped_on_the_page(service, page):
    url, _ = service
    page.goto(f"{url}/try?model=numbers")
    page.evaluate(DROP, ["rows.csv", numbers(20, 0).to_csv(index=False)])
    sync_api.expect(page.locator("#results tbody tr")).to_have_count(20)
    sync_api.expect(page.locator("#status")).to_contain_text("of 20 flagged")


def test_chosen_images_are_scored_one_by_one(service, page, tmp_path):
    url, _ = service
    for i, image in enumerate(images(2, 1)):
        (tmp_path / f"{i}.png").write_bytes(png(image))
    page.goto(f"{url}/try?model=images")
    page.set_input_files("#files", [tmp_path / "0.png", tmp_path / "1.png"])
    sync_api.expect(page.locator("#results section")).to_have_count(2)


def test_the_slider_is_moved_by_keys(service, page):
    url, store = service
    page.goto(f"{url}/review/models?model=numbers")
    slider, value = page.locator("#alpha-step"), page.locator("#alpha-value")
    sync_api.expect(value).to_have_text("alpha 10%")
    slider.focus()
    page.keyboard.press("ArrowRight")
    sync_api.expect(value).not_to_have_text("alpha 10%")
    sync_api.expect(slider).to_be_focused()
    assert slider.get_attribute("aria-valuetext") == value.inner_text()
    page.keyboard.press("End")
    total = store.count_above(float("-inf"), ItemFilter(model="numbers"))[1] - len(HOSTILE)  # those of another file
    sync_api.expect(page.locator("#flags")).to_contain_text(f"of {total} stored items would be flagged")
    sync_api.expect(page.locator("#status")).to_contain_text("the threshold is")
    page.keyboard.press("Home")
    sync_api.expect(value).to_have_text(re.compile("alpha 2\\.4%"))


def test_a_model_is_recalibrated_by_its_button(service, page):
    url, store = service
    for stored in store.queue(where=ItemFilter(model="images")).items:
        store.review(stored.id, "dismissed", "ann")
    page.goto(f"{url}/review/models?model=images")
    assert page.locator("#recalibrate").get_by_role("button").count() == 0  # one image is too few
    for image in images(5, 3):
        page.evaluate(SEND, [f"{url}/v1/models/images/score", [*png(image)]])
    for stored in store.queue(where=ItemFilter(model="images")).items:
        store.review(stored.id, "dismissed", "ann")
    page.reload()
    page.locator("#recalibrate").get_by_role("button", name="Recalibrate").click()
    sync_api.expect(page.locator("#recalibrate .lead")).to_contain_text("Recalibrated by 6 normal rows or images")


def test_the_filter_of_the_queue_takes_days(service, page):
    url, _ = service
    page.goto(f"{url}/review?model=numbers")
    page.fill("input[name=since]", "2026-05-04")
    page.fill("input[name=until]", "2026-05-04")
    page.get_by_role("button", name="Apply").click()
    sync_api.expect(page.locator("[data-item]")).to_have_count(len(HOSTILE))


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(service, browser, scheme, language):
    url, _ = service
    for width in (390, 1280):
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        page = context.new_page()
        for path in (
            "/review",
            "/review?show=confirmed",
            "/review/items/1",
            "/review/items/6",
            "/review/summary",
            "/review/drift?model=numbers",
            "/review/models?model=numbers",
            "/review/models?model=images",
            "/try",
        ):
            page.goto(f"{url}{path}{'&' if '?' in path else '?'}lang={language}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            if width == 1280:
                found = axe.Axe().run(page)
                assert found.violations_count == 0, (path, found.generate_report())
        context.close()
