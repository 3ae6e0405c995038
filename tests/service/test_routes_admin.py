"""Models are loaded, replaced and removed while requests run."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from egbad.service.auth import Role
from egbad.service.settings import ServiceSettings
from tests.service.conftest import numbers, running

ADMIN, SCORE = "a" * 20, "s" * 20
AS_ADMIN = {"authorization": f"Bearer {ADMIN}"}
FRAME = numbers(4, 0)
BODY = {"rows": FRAME.to_numpy().tolist()}


@pytest.fixture
def folder(models, tmp_path):
    shutil.copy(models / "numbers.egbad", tmp_path / "m@1.egbad")
    shutil.copy(models / "exported.onnx", tmp_path / "m@2.onnx")
    (tmp_path / "damaged.egbad").write_text("x")
    (tmp_path / "inner").mkdir()
    shutil.copy(models / "numbers.egbad", tmp_path.parent / "outside.egbad")
    return tmp_path


@pytest.fixture
def server(folder):
    settings = ServiceSettings(models_dir=folder)
    tokens = {ADMIN: Role.ADMIN, SCORE: Role.SCORE}
    with running([folder / "m@1.egbad"], settings=settings, tokens=tokens, hosts=None) as server:
        yield server


@pytest.fixture
def client(server):
    with server.client(headers=AS_ADMIN) as client:
        yield client


def score(client, path="m"):
    return client.post(f"/v1/models/{path}/score", json=BODY)


def test_a_version_is_loaded_made_the_default_and_removed(client, scorers):
    assert score(client).json()["version"] == "1"
    loaded = client.post("/v1/admin/models", json={"file": "m@2.onnx", "default": False})
    assert loaded.status_code == 201 and loaded.json()["platform"] == "egbad_onnx"
    assert score(client).json()["version"] == "1"
    answer = score(client, "m/versions/2").json()
    assert [row["score"] for row in answer["results"]] == scorers["exported"].anomaly_score(FRAME).tolist()
    refused = client.delete("/v1/admin/models/m/versions/1")
    assert refused.status_code == 409 and "default version" in refused.json()["detail"]
    assert client.put("/v1/admin/models/m/default", json={"version": "2"}).json()["version"] == "2"
    assert client.get("/v2/models/m").json()["versions"] == ["2", "1"]
    assert client.delete("/v1/admin/models/m/versions/1").status_code == 204
    assert score(client).json()["version"] == "2" and score(client, "m/versions/1").status_code == 404
    assert client.delete("/v1/admin/models/m/versions/2").status_code == 204
    assert score(client).status_code == 404 and client.get("/v2/health/ready").status_code == 503


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"file": "none.egbad"}, 404, "no file 'none.egbad'"),
        ({"file": "../outside.egbad"}, 400, "bare name"),
        ({"file": "/etc/passwd"}, 400, "bare name"),
        ({"file": "inner"}, 404, "no file"),
        ({"file": ".."}, 400, "bare name"),
        ({"file": "m@1.egbad\x00"}, 400, "bare name"),
        ({"file": "damaged.egbad"}, 400, "damaged.egbad"),
        ({"file": "m@1.egbad", "name": "a/b"}, 400, "must be letters"),
        ({"file": "m@1.egbad", "path": "x"}, 400, "path"),
        ({}, 400, "file"),
    ],
)
def test_only_files_of_the_folder_are_loaded(client, folder, body, status, words):
    response = client.post("/v1/admin/models", json=body)
    assert response.status_code == status and words in response.json()["detail"], response.text
    assert str(folder) not in response.text


def test_administration_needs_its_role(server):
    with server.client(headers={"authorization": f"Bearer {SCORE}"}) as client:
        assert client.post("/v1/admin/models", json={"file": "m@1.egbad"}).status_code == 403
        assert client.delete("/v1/admin/models/m/versions/1").status_code == 403
        assert score(client).status_code == 200


def test_without_a_folder_nothing_is_loaded(models):
    with running([models / "numbers.egbad"]) as server, server.client() as client:
        response = client.post("/v1/admin/models", json={"file": "numbers.egbad"})
    assert response.status_code == 403 and "--models-dir" in response.json()["detail"]


def test_a_swap_drops_no_request(client, scorers):
    expected = {name: scorers[name].anomaly_score(FRAME).tolist() for name in ("numbers", "exported")}
    done, answers = threading.Event(), []

    def send():
        while not done.is_set():
            answers.append(score(client))

    with ThreadPoolExecutor(8) as pool:
        senders = [pool.submit(send) for _ in range(8)]
        for _ in range(3):
            for file in ("m@2.onnx", "m@1.egbad"):
                assert client.post("/v1/admin/models", json={"file": file, "version": "1"}).status_code == 201
        done.set()
        for sender in senders:
            sender.result()
    assert {answer.status_code for answer in answers} == {200}
    found = [[row["score"] for row in answer.json()["results"]] for answer in answers]
    assert all(scores in expected.values() for scores in found)
    assert expected["exported"] in found and expected["numbers"] in found
