"""Sessions of browsers, and the tokens of forms that are bound to them."""

import pytest

from egbad.service.auth import Role
from egbad.service.sessions import SESSION_SECONDS, Sessions, cookie_name, local_address


class Clock:
    time = 1_000.0

    def __call__(self):
        return self.time


def test_a_session_keeps_its_role_until_it_ends():
    clock = Clock()
    sessions = Sessions(clock)
    session = sessions.issue(Role.REVIEW)
    assert sessions.role_of(session) is Role.REVIEW and sessions.is_valid(session)
    assert sessions.role_of(sessions.issue()) is None and sessions.is_valid(sessions.issue())
    clock.time += SESSION_SECONDS
    assert sessions.role_of(session) is None and not sessions.is_valid(session)


@pytest.mark.parametrize(
    "change", [lambda s: s.replace("score", "admin"), lambda s: s[:-1], lambda s: "", lambda s: "é.1.2"]
)
def test_a_changed_session_is_not_valid(change):
    sessions = Sessions()
    session = change(sessions.issue(Role.SCORE))
    assert sessions.role_of(session) is None
    assert not sessions.accepts_form(session, sessions.form_token(session))


def test_forms_belong_to_one_session_of_one_process():
    sessions = Sessions()
    first, second = sessions.issue(), sessions.issue()
    assert sessions.accepts_form(first, sessions.form_token(first))
    assert not sessions.accepts_form(first, sessions.form_token(second))
    assert not sessions.accepts_form(first, "é") and not Sessions().is_valid(first)


@pytest.mark.parametrize(
    "address",
    [
        "//example.org",
        "https://example.org/review",
        "/review\\x",
        "/review\r\nx",
        "/reviewed",
        "/v1/models",
        "",
        "/review?" + "x" * 3000,
    ],
)
def test_addresses_of_other_places_are_not_followed(address):
    assert local_address(address) == "/review"
    assert local_address("/try?lang=ja") == "/try?lang=ja"


def test_cookies_of_two_ports_have_two_names():
    assert cookie_name({b"host": b"[::1]:8081"}, "form") == "egbad_form_8081"
    assert cookie_name({b"host": b"localhost"}, "form") == cookie_name({}, "form") == "egbad_form_80"
