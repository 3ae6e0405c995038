"""Items of a store, and forms of pages as a browser sends them."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

from egbad.service.store import ScoredItem

START = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>", "\u202eright to left \u05d0\u05d1", '"><img src=x onerror=alert(1)>', "k" * 3_000


def item(i, key=None, **changes):
    """A flagged row, whose score grows with i."""
    values = {
        "time": START + timedelta(hours=i),
        "request_id": "r",
        "model": "numbers",
        "version": "1",
        "digest": "d",
        "key": key or f"row {i}",
        "score": 10.0 + i,
        "p_value": 0.01,
        "flagged": True,
        "alpha": 0.1,
        "payload": b'{"x": 9.5, "y": 0, "z": null}',
        "media_type": "application/json",
    }
    return ScoredItem(**{**values, **changes})


def form_token(page):
    """The token of the forms of a page."""
    return re.search(r'name="csrf" value="(\w+)"', page.text)[1]


def names(page):
    """The names of the items of a queue, in order."""
    return [unescape(name) for name in re.findall(r'id="name-\d+"[^>]*><bdi>(.*?)</bdi>', page.text)]


def post(client, path, page="/review", **form):
    """Send a form of a page."""
    return client.post(path, data={"csrf": form_token(client.get(page)), **form})


def send(client, frame):
    """Score rows of "numbers" and return the answer."""
    answer = client.post("/v1/models/numbers/score", json={"rows": frame.to_numpy().tolist()})
    assert answer.status_code == 200, answer.text
    return answer.json()
