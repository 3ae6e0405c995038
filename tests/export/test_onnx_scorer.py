"""Scoring of exported files: the answers of the detector, without torch, and errors for files that cannot be used."""

import json
import subprocess
import sys
import warnings

import numpy as np
import onnx
import pandas as pd
import pytest

from egbad import load
from egbad.errors import EgbadError, InvalidInputError, LearnedRowsWarning, MissingExtraError, UnreadableFileError
from egbad.export import export
from egbad.export.onnx_file import with_digest
from egbad.export.onnx_scorer import OnnxScorer


def resealed(model):
    """Return a changed model with a valid digest."""
    del model.metadata_props[-1]
    return with_digest(model.SerializeToString())


def test_every_answer_is_that_of_the_detector(exported, named_table):
    detector, file = exported
    scorer, x = load(file), named_table(60, 1)
    assert (scorer.predict(x) == detector.predict(x)).all()
    assert scorer.p_value(x) == pytest.approx(detector.p_value(x), abs=0.05)
    assert (scorer.calibration_scores_ == detector.calibration_scores_).all()
    assert scorer.decision_function(x) == pytest.approx(detector.decision_function(x), rel=1e-4, abs=1e-4)
    assert scorer.discoveries(x, 0.5).shape == (60,)
    assert (scorer.threshold_, scorer.alpha, scorer.normal_label_) == (detector.threshold_, 0.2, "ok")
    assert scorer.describe() == json.loads(json.dumps(detector.describe())) | {"runtime": "onnx"}


def test_the_score_of_a_row_depends_on_the_row_alone(exported, named_table):
    _, file = exported
    x = named_table(600, 1)
    whole = OnnxScorer(file, threads=1).anomaly_score(x)
    scorer = OnnxScorer(file, threads=2)
    assert (scorer.anomaly_score(x) == whole).all()
    for rows in (slice(0, 1), slice(5, 7), slice(100, 103), slice(200, 490), slice(599, 600)):
        assert (scorer.anomaly_score(x[rows]) == whole[rows]).all()
    assert (scorer.anomaly_score(x[::-1]) == whole[::-1]).all()


def test_scoring_needs_neither_torch_nor_scikit_learn(exported, named_table, tmp_path):
    _, file = exported
    named_table(20, 1).to_csv(tmp_path / "x.csv", index=False)
    arguments = ["score", str(file), str(tmp_path / "x.csv"), "--out", str(tmp_path / "s.csv")]
    code = (
        "import sys\nfor name in ('torch', 'sklearn'): sys.modules[name] = None\n"
        f"from egbad.cli import main\ncode = main({arguments!r})\n"
        "assert 'pandas' not in sys.modules, 'importing it takes longer than scoring a row'\nsys.exit(code)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(pd.read_csv(tmp_path / "s.csv")) == 20


def test_input_that_does_not_match_has_the_error_of_the_detector(exported, named_table):
    detector, file = exported
    x = named_table(5, 1).rename(columns={"c8": "other"})
    for wrong in (x, x.iloc[:, :3], np.zeros((4, 3, 3, 3)), x.assign(c0=np.inf)):
        with pytest.raises(InvalidInputError) as of_the_graph:
            load(file).anomaly_score(wrong)
        with pytest.raises(InvalidInputError) as of_the_detector:
            detector.anomaly_score(wrong)
        assert str(of_the_graph.value).replace("The exported 'egbad'", "EGBAD") == str(of_the_detector.value)


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(UnreadableFileError, match="There is no file"):
        load(tmp_path / "no.onnx")


def test_a_missing_runtime_names_the_extra(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match="pip install 'egbad\\[onnx\\]'"):
        load(exported[1])


def test_the_chunk_size_for_few_rows_does_not_depend_on_earlier_calls(exported, named_table):
    x = named_table(3, 1)
    first, second = OnnxScorer(exported[1]), OnnxScorer(exported[1])
    scores = first.anomaly_score(x)
    assert all((first.anomaly_score(x) == scores).all() for _ in range(3))
    assert (second.anomaly_score(x) == scores).all()


def test_images_are_explained_by_their_reconstruction(fit_quickly, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (60, 8, 8)).astype(np.uint8)
    detector = fit_quickly("vae", x)
    export(detector, tmp_path / "m.onnx")
    scorer = load(tmp_path / "m.onnx")
    explanation = scorer.explain(x[:4])
    assert np.allclose(explanation.shares.sum((1, 2)), scorer.anomaly_score(x[:4]))
    assert np.allclose(explanation.expected, detector.reconstruct(x[:4]), atol=0.1)
    difference = (x[:4] - explanation.expected) ** 2
    assert np.array_equal(explanation.shares.reshape(4, -1).argmax(1), difference.reshape(4, -1).argmax(1))


def test_rows_are_not_explained(exported, named_table):
    with pytest.raises(InvalidInputError, match="cannot explain its scores unless it reconstructs images"):
        load(exported[1]).explain(named_table(3, 0))


def test_scoring_training_rows_warns(exported, named_table):
    scorer = load(exported[1])
    with pytest.warns(LearnedRowsWarning, match="was trained on some of these rows"):
        scorer.anomaly_score(named_table(300, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scorer.anomaly_score(named_table(300, 1))


def test_a_score_that_is_no_number_is_an_error(exported, named_table, tmp_path):
    model = onnx.load(exported[1])
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.raw_data = np.full(len(tensor.raw_data) // 4, np.nan, np.float32).tobytes()
    (tmp_path / "m.onnx").write_bytes(resealed(model))
    with pytest.raises(EgbadError, match="must compute numbers, got NaN as 'score'"):
        load(tmp_path / "m.onnx").anomaly_score(named_table(3, 1))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_any_number_of_images_of_any_type_is_scored(dtype, fit_quickly, tmp_path):
    detector = fit_quickly("knn", np.random.default_rng(0).integers(0, 9, (60, 12, 12)).astype(dtype))
    export(detector, tmp_path / "m.onnx")
    new = np.random.default_rng(1).integers(0, 9, (35, 12, 12)).astype(dtype)
    for n in (1, 3, 35):
        assert load(tmp_path / "m.onnx").anomaly_score(new[:n]) == pytest.approx(
            detector.anomaly_score(new[:n]), rel=1e-4
        )
