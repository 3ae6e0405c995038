"""Tokens and their roles."""

import pytest

from egbad.errors import EgbadError, InvalidInputError
from egbad.service.auth import Role, Tokens, read_tokens, required_role
from egbad.service.server import Listen
from tests.service.conftest import numbers, running

SCORE, REVIEW, ADMIN = ("s" * 20, "r" * 20, "a" * 20)
BODY = {"rows": numbers(1, 0).to_numpy().tolist()}


@pytest.fixture(scope="module")
def guarded(models):
    tokens = {SCORE: Role.SCORE, REVIEW: Role.REVIEW, ADMIN: Role.ADMIN}
    with running([models / "numbers.egbad"], tokens=tokens, hosts=None) as server:
        yield server


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Bearer wrong", 401),
        (f"Basic {SCORE}", 401),
        (f"Bearer {REVIEW}", 403),
        (f"Bearer {SCORE}", 200),
        (f"bearer {ADMIN}", 200),
    ],
)
def test_scores_need_a_token_of_their_role(guarded, header, status):
    with guarded.client() as client:
        headers = {} if header is None else {"authorization": header}
        response = client.post("/v1/models/numbers/score", json=BODY, headers=headers)
    assert response.status_code == status, response.text
    assert SCORE not in response.text
    if status == 401:
        assert response.headers["www-authenticate"] == "Bearer"


def test_the_role_of_a_path():
    assert required_role("/v1/admin/models") is Role.ADMIN
    assert required_role("/v1/review/queue") is Role.REVIEW
    assert required_role("/metrics") is Role.SCORE and required_role("/anything") is Role.SCORE
    assert required_role("/v2/health/live") is None and required_role("/v2/models/a/infer") is Role.SCORE


def test_a_token_file_holds_roles_and_tokens(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"# comment\nscore {SCORE}\n\nreview {REVIEW}\n")
    tokens = read_tokens(path, ADMIN)
    found = [tokens.role_of(f"Bearer {token}".encode()) for token in (SCORE, REVIEW, ADMIN, "x")]
    assert found == [Role.SCORE, Role.REVIEW, Role.ADMIN, None]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "got none"),
        (f"boss {SCORE}", "line 1 is not"),
        (f"score {SCORE} more", "line 1"),
        ("score short", "16 characters"),
    ],
)
def test_a_wrong_token_file_is_refused_without_showing_it(tmp_path, content, words):
    path = tmp_path / "tokens"
    path.write_text(content)
    with pytest.raises(InvalidInputError, match=words) as raised:
        read_tokens(path, None)
    assert SCORE not in str(raised.value)


def test_a_token_file_must_exist(tmp_path):
    with pytest.raises(EgbadError, match="cannot be read. Check --token-file"):
        read_tokens(tmp_path / "none", None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_other_hosts_need_a_token_or_a_flag(host):
    with pytest.raises(InvalidInputError, match="a token is needed"):
        Listen(host=host).guard({})
    assert Listen(host=host).guard({"EGBAD_TOKEN": ADMIN}).tokens
    assert Listen(host=host, insecure=True).guard({}).hosts is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_this_machine_needs_no_token(host):
    assert not Listen(host=host).guard({}).tokens


def test_a_service_without_tokens_takes_loopback_names_only(client):
    assert client.get("/v2/health/live", headers={"host": "attacker.example"}).status_code == 421
    assert client.get("/v1/models", headers={"host": "localhost:1"}).status_code == 200


def test_tokens_are_compared_as_a_whole():
    tokens = Tokens({SCORE: Role.SCORE})
    assert (
        tokens.role_of(f"Bearer {SCORE}x".encode()) is None and tokens.role_of(f"Bearer {SCORE[:-1]}".encode()) is None
    )
