"""The demo of `egbad serve`."""

import json
import webbrowser

import pytest

from egbad.cli.serve_demo import ServeDemo, open_browser, page_address
from egbad.service.server import make_service
from egbad.service.settings import ServiceSettings
from egbad.service.store import ItemFilter, open_store
from tests.service.processes import service_process


def test_the_demo_trains_a_model_and_fills_a_queue(tmp_path):
    demo = ServeDemo.train(tmp_path, steps=5, verbose=False)
    with open_store(tmp_path / "reviews.db", keep=True) as store:
        service = make_service([demo.model], ServiceSettings(), store=store, keep="all")
        flagged = demo.fill(service, store)
        service.executor.shutdown()
        queue, days = store.queue("newest", limit=200).items, store.counts("day")
    assert flagged == len(queue) > 0 and all(stored.has_payload for stored in queue)
    assert sum(day.scored for day in days) == len(demo.images) == 120 and len(days) >= 7
    assert [stored.item.time for stored in queue] == sorted((s.item.time for s in queue), reverse=True)


def test_the_same_seed_chooses_the_same_images(tmp_path):
    first, second = (ServeDemo.train(tmp_path, seed=1, steps=1, verbose=False).images for _ in range(2))
    assert (first == second).all()


def test_the_address_is_one_that_a_browser_can_open():
    assert page_address("127.0.0.1", 80) == "http://127.0.0.1:80/review"
    assert page_address("::", 80) == "http://[::1]:80/review"


@pytest.mark.parametrize(
    ("environment", "platform", "opens"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "w"}, "linux", True),
        ({}, "darwin", True),
    ],
)
def test_a_browser_is_opened_where_there_are_windows(monkeypatch, environment, platform, opens):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) is None)
    assert open_browser("http://x", environment, platform) is opens
    assert opened == (["http://x"] if opens else [])


def test_a_service_needs_a_model_or_the_demo(refuse):
    assert "Name at least one MODEL to serve, or look at --demo." in refuse("serve", "--port", 0)


@pytest.mark.slow
def test_the_demo_is_served_from_the_command_line(tmp_path):
    store = tmp_path / "reviews.db"
    with service_process(tmp_path / "log", "--demo", "--no-browser", "--store", store) as service:
        with service.client() as client:
            page = client.get("/review")
            explained = client.get("/review/items/1").text
        service.terminate()
        assert service.wait() == 0
    assert page.text.count('class="thumbnail"') == 20 and explained.count("data:image/png;base64,") == 6
    assert f"flagged images to review on {service.url}/review" in service.log_path.read_text()
    assert json.loads(service.log_path.read_text().splitlines()[-1])["event"] == "stopped"
    with open_store(store, create=False) as kept:
        (counts,) = kept.models(ItemFilter(model="digits"))
    assert counts.scored == 120 and 15 <= counts.flagged <= 40
