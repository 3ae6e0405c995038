"""The service as a process: it answers what has begun before it ends."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import numpy as np
import pytest

from egbad.detectors.knn import KNN
from egbad.service.store import open_store
from tests.service.conftest import wait_until
from tests.service.processes import service_process

X = np.random.default_rng(0).normal(size=(300, 8))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("serve") / "knn@7.egbad"
    KNN(alpha=0.1, random_state=0).fit(X).save(path)
    return path


def test_a_service_starts_answers_and_ends(model, tmp_path):
    with service_process(tmp_path / "log", model) as service, service.client() as client:
        answer = client.post("/v1/models/knn/score", json={"rows": (X[:3] + 9).tolist()}).json()
        assert answer["version"] == "7" and [row["flagged"] for row in answer["results"]] == [True] * 3
        service.terminate()
        assert service.wait() == 0
    assert service.lines("stopped")
    for line in service.log_path.read_text().splitlines():
        json.loads(line)


def test_sigterm_drops_no_request_that_has_begun(model, tmp_path):
    answers, stop = [], threading.Event()
    rows = {"rows": np.random.default_rng(1).normal(size=(500, 8)).tolist()}
    store = tmp_path / "store.db"
    with service_process(tmp_path / "log", model, "--store", store, "--keep", "flagged") as service:

        def send():
            with service.client() as client:
                while not stop.is_set():
                    try:
                        answers.append(client.post("/v1/models/knn/score", json=rows))
                    except httpx2.TransportError:  # the service has ended
                        return

        with ThreadPoolExecutor(8) as pool:
            senders = [pool.submit(send) for _ in range(8)]
            try:
                wait_until(lambda: len(answers) >= 20, 60)
                service.terminate()
                assert service.wait() == 0
            finally:
                stop.set()
            for sender in senders:
                sender.result()
    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.json()["stored"] and len(answer.json()["results"]) == 500 for answer in answers)
    assert service.lines("stopped")
    # Requests that the service has logged as answered are those that clients got, and their rows are in the store.
    served = [line for line in service.lines("request") if line["route"] == "/v1/models/{name}/score"]
    assert len(served) == len(answers)
    with open_store(store) as opened:
        assert opened.get(500 * len(answers)) is not None and opened.get(500 * len(answers) + 1) is None
