"""Starts of `egbad serve` that fail, each with one sentence."""

import socket

import numpy as np
import pytest

from egbad.detectors.knn import KNN


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("serve") / "m.egbad"
    KNN(alpha=0.1, random_state=0).fit(np.random.default_rng(0).normal(size=(100, 2))).save(path)
    return path


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    monkeypatch.delenv("EGBAD_TOKEN", raising=False)


def test_a_model_must_exist(refuse, tmp_path):
    message = refuse("serve", tmp_path / "none.egbad", "--port", 0)
    assert "none.egbad' cannot be read as a model: No such file or directory." in message


def test_a_model_must_be_one(refuse, tmp_path):
    (tmp_path / "m.egbad").write_text("x")
    assert "m.egbad" in refuse("serve", tmp_path / "m.egbad", "--port", 0)


def test_two_models_need_different_names(refuse, model):
    assert "'m' version 1 twice" in refuse("serve", model, model, "--port", 0)


def test_a_name_must_fit_into_a_path(refuse, model, tmp_path):
    odd = tmp_path / "a b.egbad"
    odd.write_bytes(model.read_bytes())
    assert "must be letters, digits" in refuse("serve", odd, "--port", 0)


def test_a_port_in_use_is_named(refuse, model):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1 port {port}: Address already in use." in refuse(
            "serve", model, "--port", port
        )


def test_other_hosts_need_a_token(refuse, model):
    assert "a token is needed: set EGBAD_TOKEN or --token-file" in refuse("serve", model, "--host", "0.0.0.0")


def test_a_token_file_must_be_one(refuse, model, tmp_path):
    assert "cannot be read. Check --token-file." in refuse("serve", model, "--token-file", tmp_path / "none")
    (tmp_path / "tokens").write_text("hello")
    assert "line 1 is not" in refuse("serve", model, "--token-file", tmp_path / "tokens")


def test_a_short_token_is_refused(refuse, model, monkeypatch):
    monkeypatch.setenv("EGBAD_TOKEN", "short")
    assert "at least 16 characters" in refuse("serve", model, "--port", 0)


def test_options_are_checked(refuse, model, tmp_path):
    assert "Raise --queue-rows or lower --max-rows" in refuse("serve", model, "--queue-rows", 10)
    assert "Check --models-dir" in refuse("serve", model, "--models-dir", tmp_path / "none")
    assert "Did you mean 'json'?" in refuse("serve", model, "--log-format", "jsn")
    assert "Name one with --store" in refuse("serve", model, "--keep", "all")
    assert "Known: all, flagged, none." in refuse("serve", model, "--store", tmp_path / "s.db", "--keep", "some")
    assert "MODEL" in refuse("serve")


def test_a_store_must_be_one(refuse, model, tmp_path):
    assert "redis" in refuse("serve", model, "--port", 0, "--store", "redis://x")


def test_the_extra_is_named_if_it_is_missing(refuse, model, monkeypatch):
    monkeypatch.setattr("egbad.errors.find_spec", lambda name: None)
    assert "Install it with: pip install 'egbad[serve]'" in refuse("serve", model)
