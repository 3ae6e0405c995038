"""Models on the Hugging Face Hub: the real client against a stand-in of the HTTP API on this machine."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from egbad import load
from egbad.detectors.knn import KNN
from egbad.errors import EgbadError, InvalidInputError, UnreadableFileError
from egbad.integrations.hub import model_card, push_to_hub
from egbad.loading import local_path
from tests.integrations.hub_server import Hub

hub_client = pytest.importorskip("huggingface_hub", reason="the extra 'hub' is not installed")


@pytest.fixture
def hub():
    server = Hub()
    yield server
    server.stop()


def rows(n=60, seed=0):
    frame = pd.DataFrame(np.random.default_rng(seed).normal(size=(n, 2)), columns=["flow", "oil|level"])
    return frame.assign(site=np.random.default_rng(seed).choice(["Oslo", "Rome"], n))


def fitted(alpha=0.2):
    return KNN(alpha=alpha, random_state=0).fit(rows())


def run(hub, tmp_path, code, *arguments):
    """Run Python code in a process whose client talks to the stand-in, and return its output and errors."""
    own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | own
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)


SCORES = "import egbad, json, numpy as np, sys; print(json.dumps(egbad.load(sys.argv[1]).threshold_))"
COMMAND = "import sys; from egbad.cli import main; sys.exit(main(sys.argv[1:]))"


def test_a_pushed_model_is_loaded_by_its_address(hub, tmp_path):
    first, second = fitted(), fitted(0.4)
    commit = push_to_hub(first, "acme/pumps", private=True, licence="apache-2.0", token="secret", endpoint=hub.url)
    assert hub.private == {"acme/pumps": True} and set(hub.tokens) == {"Bearer secret"}
    files = hub.find("acme/pumps", "main")[1]
    assert {*files} == {"model.egbad", "README.md"} and b"license: apache-2.0" in files["README.md"]
    push_to_hub(second, "acme/pumps", endpoint=hub.url, token="secret")
    newest, old = (run(hub, tmp_path, SCORES, f"hf://acme/pumps{revision}") for revision in ("", f"@{commit}"))
    assert json.loads(newest.stdout) == second.threshold_ and json.loads(old.stdout) == first.threshold_
    hub.repositories["acme/pumps"].clear()  # from here on only the cache can answer
    assert json.loads(run(hub, tmp_path, SCORES, f"hf://acme/pumps@{commit}").stdout) == first.threshold_


def test_commands_take_an_address(hub, tmp_path):
    detector = fitted()
    push_to_hub(detector, "acme/pumps", endpoint=hub.url, token="secret")
    rows(5, 1).to_csv(tmp_path / "new.csv", index=False)
    info = run(hub, tmp_path, COMMAND, "info", "hf://acme/pumps", "--json")
    assert json.loads(info.stdout)["threshold"] == detector.threshold_, info.stderr
    scored = run(hub, tmp_path, COMMAND, "score", "hf://acme/pumps", "new.csv", "--out", "scores.csv")
    assert scored.returncode == 0, scored.stderr
    assert pd.read_csv(tmp_path / "scores.csv")["score"].to_numpy() == pytest.approx(detector.anomaly_score(rows(5, 1)))


SERVE = """
import sys
from pathlib import Path
from egbad.service.server import make_service
from egbad.service.settings import ServiceSettings
service = make_service([Path(address) for address in sys.argv[1:]], ServiceSettings())
print(*(f"{model.name} {model.version} {model.threshold}" for model in service.registry), sep="\\n")
"""


def test_the_service_names_models_by_repository_and_revision(hub, tmp_path):
    pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")
    commit = push_to_hub(fitted(), "acme/pumps.eu", endpoint=hub.url, token="secret")
    served = run(hub, tmp_path, SERVE, "hf://acme/pumps.eu", f"hf://acme/pumps.eu@{commit}")
    assert served.stdout.splitlines() == [f"pumps.eu {version} {fitted().threshold_}" for version in ("1", commit)]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("hf://acme/none", "'hf://acme/none' cannot be downloaded"),
        ("hf://acme/pumps@v9", "'hf://acme/pumps@v9' cannot be downloaded"),
        ("hf://acme/empty", "'hf://acme/empty' cannot be downloaded"),
    ],
)
def test_what_is_not_there_is_refused_in_one_sentence(hub, tmp_path, address, words):
    hub.repositories |= {"acme/pumps": [("a" * 40, {"model.egbad": b"x"})], "acme/empty": [("b" * 40, {"other": b"x"})]}
    found = run(hub, tmp_path, COMMAND, "info", address)
    assert found.returncode == 2 and found.stderr.count("\n") == 1 and "Traceback" not in found.stderr
    assert words in found.stderr


def test_a_file_that_is_no_model_is_refused(hub, tmp_path):
    hub.repositories["acme/pumps"] = [("a" * 40, {"model.egbad": b"import os"})]
    found = run(hub, tmp_path, COMMAND, "info", "hf://acme/pumps")
    assert found.returncode == 2 and "not" in found.stderr and "Traceback" not in found.stderr


def test_refused_uploads_are_reported(hub):
    with pytest.raises(EgbadError, match="could not be uploaded to 'acme/pumps'"):
        push_to_hub(fitted(), "acme/pumps", endpoint=hub.url, token="read-only")
    with pytest.raises(EgbadError, match="could not be uploaded"):
        push_to_hub(fitted(), "acme/-pumps-", endpoint=hub.url, token="secret")
    for repository in ("pumps", "acme/", "a/b/c"):
        with pytest.raises(InvalidInputError, match="repository must be OWNER/NAME"):
            push_to_hub(fitted(), repository, endpoint=hub.url)


def test_paths_are_not_addresses(tmp_path):
    assert local_path(tmp_path / "m.egbad") == str(tmp_path / "m.egbad")
    assert local_path("hf:/acme") == "hf:/acme"
    with pytest.raises(UnreadableFileError):
        load("hf:/acme")


def test_a_card_describes_the_model():
    detector = fitted()
    card = model_card(detector, "acme/pumps")
    assert card.startswith("---\nlibrary_name: egbad\n") and 'egbad.load("hf://acme/pumps")' in card
    assert "| `flow` | `number` |" in card and "| `oil\\|level` | `number` |" in card and "category" in card
    assert f"| threshold | {detector.threshold_:.6g} |" in card and "| alpha | 0.2 |" in card
    images = KNN(alpha=0.2, random_state=0).fit(np.random.default_rng(0).uniform(size=(40, 16, 16)))
    assert "anomalies in images" in model_card(images) and "shape 16 x 16" in model_card(images)
