"""Signatures that editors and type checkers see."""

import inspect

import pytest

import egbad
from egbad.detectors.registry import all_detectors

RIGHT = """
from egbad import EGBAD, Blend, EarlyStopping, TrainingConfig, detect
from egbad.detectors import KNN

EGBAD(alpha=0.05, n_latent=8, training=TrainingConfig(steps=3), early_stopping=EarlyStopping(patience=2), random_state=0)
KNN(n_neighbors=3).fit([[0.0]]).anomaly_score([[0.0]]).round()
Blend(parts=("knn",)).set_params(alpha=0.1)
detect([[0.0]], KNN(), contamination=0.1).labels_.sum()
"""
WRONG = (
    "EGBAD(stepz=3)",
    "EGBAD(alpha='high')",
    "TrainingConfig(step=3)",
    "KNN(k=3)",
    "Blend(0.1)",
    "detect([], contamintion=1)",
)


@pytest.mark.slow
def test_mypy_knows_the_parameters_of_a_detector(tmp_path):
    api = pytest.importorskip("mypy.api")
    path = tmp_path / "snippet.py"
    path.write_text(RIGHT + "\n".join(WRONG) + "\n", encoding="utf-8")
    out, err, _ = api.run(["--strict", "--cache-dir", str(tmp_path / "cache"), str(path)])
    lines = sorted({int(line.split(":")[1]) for line in out.splitlines() if ": error:" in line})  # one may have two
    first = RIGHT.count("\n") + 1
    assert lines == [*range(first, first + len(WRONG))], out + err


@pytest.mark.parametrize("name", sorted(all_detectors()))
def test_the_signature_of_a_detector_shows_parameters_with_defaults(name):
    kind = all_detectors()[name]
    parameters = inspect.signature(kind).parameters
    assert {key: parameter.default for key, parameter in parameters.items()} == kind().get_params(deep=False)
    assert all(parameter.annotation is not parameter.empty for parameter in parameters.values())


def test_public_names_are_listed_and_exist():
    assert set(egbad.__all__) <= set(dir(egbad))
    assert all(hasattr(egbad, name) for name in egbad.__all__)
