"""Export to ONNX: the graph has the scores of the detector, or no file is written."""

import json
import logging
import warnings

import numpy as np
import pandas as pd
import pytest

from egbad import datasets, load
from egbad.benchmark import protocols
from egbad.cli import main
from egbad.detectors.registry import detectors_of_rows
from egbad.detectors.tiled import Tiled
from egbad.errors import EgbadError, InvalidInputError
from egbad.export import export
from egbad.export.onnx_scorer import OnnxScorer

REFUSED = {"adgan", "anogan", "isolation_forest", "lof", "one_class_svm", "pca"}
EXPORTED = sorted(set(detectors_of_rows()) - REFUSED)


def byte_images(n, seed):
    """Return images of random bytes on a black background."""
    x = np.zeros((n, 16, 16), dtype=np.uint8)
    x[:, 3:13, 3:13] = np.random.default_rng(seed).integers(0, 256, (n, 10, 10))
    return x


def assert_close(found, expected, tolerance=1e-5):
    limit = tolerance * np.maximum(np.abs(expected), np.abs(expected).mean()).min()
    assert np.abs(found - expected).max() <= limit


def assert_export_agrees(detector, file, x):
    export(detector, file)
    scorer = load(file)
    assert isinstance(scorer, OnnxScorer)
    assert_close(scorer.anomaly_score(x), detector.anomaly_score(x))
    found, expected = scorer.score_terms(x), detector.score_terms(x)
    assert list(found) == list(expected)
    assert np.allclose(sum(found.values()), scorer.anomaly_score(x), rtol=1e-12)
    if hasattr(detector, "reconstruct"):
        assert np.allclose(scorer.reconstruct(x), detector.reconstruct(x), rtol=1e-4, atol=1e-4 * np.ptp(x))
    else:
        with pytest.raises(InvalidInputError, match="must reconstruct its input"):
            scorer.reconstruct(x)


@pytest.mark.parametrize("name", EXPORTED)
def test_rows_have_the_scores_of_the_detector(name, fit_quickly, correlated_table, tmp_path):
    far = correlated_table(40, 1)
    far[::3] *= 30  # outside of the training range
    assert_export_agrees(fit_quickly(name, correlated_table(300, 0)), tmp_path / "m.onnx", far)


@pytest.mark.parametrize("levels", [3, 6])
def test_tied_scores_stay_tied_in_the_graph(levels, fit_quickly, tmp_path):
    x = (
        np.random.default_rng(0).integers(0, levels, (200, 3)).astype(float)
    )  # with three levels training contains every row
    assert_export_agrees(fit_quickly("blend", x), tmp_path / "m.onnx", np.r_[x, x + 0.5])


@pytest.mark.parametrize("name", ["egbad", "blend", "dsebm"])
def test_images_have_the_scores_of_the_detector(name, fit_quickly, correlated_table, tmp_path):
    assert_export_agrees(fit_quickly(name, byte_images(80, 0)), tmp_path / "m.onnx", byte_images(20, 1))


@pytest.mark.parametrize("sizes", ["one", "any"])
def test_tiles_of_large_images_have_the_scores_of_the_detector(sizes, tmp_path):
    rng = np.random.default_rng(0)
    x = [rng.integers(0, 256, (150 if sizes == "one" else 40 + i, 60)).astype(np.uint8) for i in range(40)]
    detector = Tiled(detector="knn", tile_size=24, max_tiles=200, alpha=0.3, random_state=0).fit(x)
    export(detector, tmp_path / "m.onnx")
    scorer = load(tmp_path / "m.onnx")
    new = x[:3] if sizes == "one" else [*x[:3], x[0][:24], np.tile(x[1], (3, 4))]
    assert np.allclose(scorer.anomaly_score(new), detector.anomaly_score(new), rtol=1e-4)
    assert [*scorer.score_terms(new)] == [*detector.score_terms(new)]
    assert scorer.anomaly_score(new[1:2])[0] == scorer.anomaly_score(new)[1]
    assert scorer.min_image_side == detector.min_image_side
    for wrong in (np.zeros((1, 3, 150, 60)), np.zeros((1, 20, 60)), np.zeros((1, 60))):
        with pytest.raises(InvalidInputError) as expected:
            detector.anomaly_score(wrong)
        with pytest.raises(InvalidInputError) as found:
            scorer.anomaly_score(wrong)
        assert str(found.value) == str(expected.value).replace("Tiled", "The exported 'tiled'")


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPORTED)
def test_colour_images_have_the_scores_of_the_detector(name, fit_quickly, correlated_table, tmp_path):
    x = np.random.default_rng(0).random((80, 3, 20, 17))
    assert_export_agrees(fit_quickly(name, x), tmp_path / "m.onnx", np.random.default_rng(1).random((20, 3, 20, 17)))


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPORTED)
@pytest.mark.parametrize("kind", ["kdd99", "mnist"])
def test_real_data_have_the_scores_of_the_detector(name, kind, fit_quickly, data_dir, tmp_path):
    data = datasets.load(kind, data_dir)
    split = protocols.kdd99(data) if kind == "kdd99" else protocols.leave_one_out(data, label=9, n_train=2000)
    rows = np.random.default_rng(0).permutation(len(split.x_test))[:10_000]
    detector = fit_quickly(name, split.x_train[:20_000], training__steps=200, encoder_steps=200)
    export(detector, tmp_path / "m.onnx")
    found, expected = (d.anomaly_score(split.x_test[rows]) for d in (load(tmp_path / "m.onnx"), detector))
    difference = np.abs(found - expected) / np.maximum(np.abs(expected), np.abs(expected).mean())
    print(f"{name} on {kind}: {difference.max():.1e}")
    assert difference.max() < 1e-5


@pytest.mark.parametrize(
    "options",
    [
        {"preprocessing__scaling": "minmax", "discriminator_loss": "sigma"},
        {"preprocessing__scaling": "robust", "distance": "norm"},
        {"preprocessing__scaling": "none"},
    ],
)
def test_other_settings_are_exported(options, fit_quickly, correlated_table, tmp_path):
    assert_export_agrees(
        fit_quickly("egbad", correlated_table(300, 0), training__steps=0, **options),
        tmp_path / "m.onnx",
        correlated_table(30, 1),
    )


def test_a_refused_detector_leaves_no_file(fit_quickly, correlated_table, tmp_path):
    with pytest.raises(InvalidInputError, match="cannot be exported"):
        export(fit_quickly("pca", correlated_table(100, 0)), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_a_graph_with_other_scores_is_not_written(fit_quickly, correlated_table, tmp_path):
    (tmp_path / "m.onnx").write_text("existing")
    with pytest.raises(EgbadError, match="must give the scores of the detector"):
        export(fit_quickly("knn", correlated_table(100, 0)), tmp_path / "m.onnx", tolerance=0.0)
    assert (tmp_path / "m.onnx").read_text() == "existing"
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]


def test_logging_and_warnings_are_as_before(fit_quickly, correlated_table, tmp_path):
    log = logging.getLogger("torch.onnx")
    before = log.level, logging.getLogger().level, list(warnings.filters)
    export(fit_quickly("knn", correlated_table(100, 0)), tmp_path / "m.onnx")
    assert (log.level, logging.getLogger().level, list(warnings.filters)) == before


def test_the_command_line_exports_a_model_with_the_same_scores(fit_quickly, correlated_table, tmp_path, capsys):
    np.savez(tmp_path / "x.npz", X=correlated_table(200, 0))
    fit_quickly("knn", correlated_table(50, 0)).save(tmp_path / "m.egbad")
    assert main(["export", str(tmp_path / "m.egbad"), "--out", str(tmp_path / "m.onnx"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == (tmp_path / "m.onnx").stat().st_size
    tables = []
    for model in ("m.egbad", "m.onnx"):
        out = tmp_path / f"{model}.csv"
        assert main(["score", str(tmp_path / model), str(tmp_path / "x.npz"), "--out", str(out), "--terms"]) == 0
        tables.append(pd.read_csv(out))
    pd.testing.assert_frame_equal(*tables)
    capsys.readouterr()
    assert main(["export", str(tmp_path / "m.egbad"), "--out", str(tmp_path / "m.bin")]) == 2
    assert "must end in .onnx" in capsys.readouterr().err
