"""Recalibrated models are kept in the store, and served after a restart."""

import shutil

import pytest

from egbad.detectors.knn import KNN
from egbad.errors import EgbadError
from egbad.service.server import make_service
from egbad.service.settings import ServiceSettings
from egbad.service.store import open_store
from tests.service.conftest import numbers, running
from tests.service.pages_helpers import post, send

FORM = "/review/admin/recalibrate"


@pytest.fixture
def path(models, tmp_path):
    return shutil.copy(models / "numbers.egbad", tmp_path / "numbers.egbad")


@pytest.fixture
def serve(path, tmp_path):
    """Start the service on one store, as often as it is called."""

    def serve(paths=(path,)):
        return running([*paths], store=store, keep="all")

    with open_store(tmp_path / "reviews.db", keep=True) as store:
        yield serve


def describe(client):
    return client.get("/v1/models/numbers").json()


def recalibrate(client, alpha="0.1"):
    assert post(client, FORM, model="numbers", version="1", alpha=alpha).status_code == 303
    return describe(client)


def test_a_restart_keeps_the_threshold_and_the_p_values(serve):
    rows = numbers(5, 9)
    with serve() as server, server.client() as client:
        before = describe(client)
        send(client, numbers(100, 1))
        recalibrate(client, "0.2")
        after = recalibrate(client, "0.15")
        scored = send(client, rows)["results"]
    assert after["threshold"] != before["threshold"] and after["alpha"] == 0.15
    with serve() as server, server.client() as client:
        assert describe(client) == after
        assert send(client, rows)["results"] == scored
        assert "of 110 stored items" in client.get("/review/models?model=numbers").text
        model = server.service.registry.find("numbers")
        assert model.digests[0] == after["digest"] and len({*model.digests}) == 3
        assert model.digests[-1] == model.original == before["digest"]


def test_it_is_undone_for_good(serve):
    with serve() as server, server.client() as client:
        before = describe(client)
        assert f"{FORM}/undo" not in client.get("/review/models").text
        send(client, numbers(100, 1))
        recalibrated = recalibrate(client)
        assert f"{FORM}/undo" in client.get("/review/models").text
        assert post(client, f"{FORM}/undo", model="numbers", version="1").status_code == 303
        assert describe(client) == before
        assert f"{FORM}/undo" not in client.get("/review/models").text
        assert client.get(f"{FORM}/undo").headers["location"] == "/review/models"
    with serve() as server, server.client() as client:
        assert describe(client) == before
        assert server.service.registry.find("numbers").digests == (before["digest"], recalibrated["digest"])


def test_another_file_has_its_own_threshold(serve, path):
    with serve() as server, server.client() as client:
        send(client, numbers(100, 1))
        recalibrate(client)
        KNN(alpha=0.3, random_state=0).fit(numbers(200, 5)).save(path)
        answer = post(client, f"{FORM}/undo", model="numbers", version="1")
        assert answer.status_code == 400 and "has changed since it was loaded" in answer.text
    with serve() as server, server.client() as client:
        assert describe(client)["alpha"] == 0.3


def test_names_are_recalibrated_each_for_itself(serve, path, tmp_path):
    other = shutil.copy(path, tmp_path / "other.egbad")
    with serve([path, other]) as server, server.client() as client:
        send(client, numbers(100, 1))
        before = client.get("/v1/models/other").json()
        recalibrate(client)
    with serve([path, other]) as server, server.client() as client:
        assert client.get("/v1/models/other").json() == before != describe(client)


def test_a_damaged_copy_is_reported(path, tmp_path):
    with open_store(tmp_path / "reviews.db") as store:
        service = make_service([path], ServiceSettings(), store=store)
        store.keep_recalibration(service.registry.find("numbers").file, "ab" * 32, b"damaged")
        with pytest.raises(EgbadError, match="recalibrated model of 'numbers' in the store is damaged"):
            make_service([path], ServiceSettings(), store=store)
