"""An exported graph gives the detector's answers, without torch; what can't be exported or read says why."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from egbad import datasets, load
from egbad.benchmark import protocols
from egbad.cli import main
from egbad.detectors.registry import all_detectors, create
from egbad.errors import EgbadError, InvalidInputError, UnreadableFileError
from egbad.export import to_onnx
from egbad.export.graph import EncodedRows
from egbad.export.onnx_scorer import KEY, OnnxScorer
from egbad.preprocessing.row_encoder import RowEncoder

REFUSED = {"adgan", "anogan", "isolation_forest", "lof", "one_class_svm", "pca", "tiled"}
EXPORTED = sorted(set(all_detectors()) - REFUSED)
QUICK = {"training__steps": 20, "encoder_steps": 20, "members": 2, "search_steps": 2}


def fitted(name, x, **options):
    known = create(name).get_params()
    given = {"random_state": 0, "alpha": 0.2, **QUICK, **options}
    return create(name, **{k: v for k, v in given.items() if k in known}).fit(x)


def table(n, seed):
    """Columns that go together, one that counts what is rare, and one that is constant."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)) @ rng.normal(size=(2, 9)) + 0.1 * rng.normal(size=(n, 9))
    x[:, 3] = np.floor(rng.pareto(0.7, n))
    x[:, 4] = 1.0
    return x


def pictures(n, seed):
    """Bytes on a background."""
    x = np.zeros((n, 16, 16), dtype=np.uint8)
    x[:, 3:13, 3:13] = np.random.default_rng(seed).integers(0, 256, (n, 10, 10))
    return x


def assert_alike(found, wanted, at_most=1e-5):
    assert np.abs(found - wanted).max() <= at_most * np.maximum(np.abs(wanted), np.abs(wanted).mean()).min()


@pytest.fixture(scope="module")
def of_rows(tmp_path_factory):
    """An EGBAD on a table with names, and its graph."""
    x = pd.DataFrame(table(300, 0), columns=[f"c{i}" for i in range(9)])
    detector, file = fitted("egbad", x), tmp_path_factory.mktemp("export") / "m.onnx"
    to_onnx.export(detector, file)
    return detector, file


# -- the same answers --------------------------------------------------------------------------------------------------


def assert_exports_alike(detector, file, x):
    to_onnx.export(detector, file)
    scorer = load(file)
    assert isinstance(scorer, OnnxScorer)
    assert_alike(scorer.anomaly_score(x), detector.anomaly_score(x))
    found, wanted = scorer.score_terms(x), detector.score_terms(x)
    assert list(found) == list(wanted)
    assert np.allclose(sum(found.values()), scorer.anomaly_score(x), rtol=1e-12)
    if hasattr(detector, "reconstruct"):
        assert np.allclose(scorer.reconstruct(x), detector.reconstruct(x), rtol=1e-4, atol=1e-4 * np.ptp(x))
    else:
        with pytest.raises(InvalidInputError, match="must rebuild its input"):
            scorer.reconstruct(x)


@pytest.mark.parametrize("name", EXPORTED)
def test_rows_have_the_scores_of_the_detector(name, tmp_path):
    far = table(40, 1)
    far[::3] *= 30  # beyond the range of training too
    assert_exports_alike(fitted(name, table(300, 0)), tmp_path / "m.onnx", far)


@pytest.mark.parametrize("levels", [3, 6])
def test_scores_that_many_normal_rows_have_are_the_same_in_the_graph(levels, tmp_path):
    x = np.random.default_rng(0).integers(0, levels, (200, 3)).astype(float)  # of three levels every row was learned
    assert_exports_alike(fitted("blend", x), tmp_path / "m.onnx", np.r_[x, x + 0.5])


@pytest.mark.parametrize("name", ["egbad", "blend", "dsebm"])
def test_images_have_the_scores_of_the_detector(name, tmp_path):
    assert_exports_alike(fitted(name, pictures(80, 0)), tmp_path / "m.onnx", pictures(20, 1))


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPORTED)
def test_other_images_have_the_scores_of_the_detector(name, tmp_path):
    x = np.random.default_rng(0).random((80, 3, 20, 17))
    assert_exports_alike(fitted(name, x), tmp_path / "m.onnx", np.random.default_rng(1).random((20, 3, 20, 17)))


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPORTED)
@pytest.mark.parametrize("kind", ["kdd99", "mnist"])
def test_ten_thousand_real_ones_have_the_scores_of_the_detector(name, kind, data_dir, tmp_path):
    data = datasets.load(kind, data_dir)
    split = protocols.kdd99(data) if kind == "kdd99" else protocols.leave_one_out(data, label=9, n_train=2000)
    rows = np.random.default_rng(0).permutation(len(split.x_test))[:10_000]
    detector = fitted(name, split.x_train[:20_000], training__steps=200, encoder_steps=200)
    to_onnx.export(detector, tmp_path / "m.onnx")
    found, wanted = (d.anomaly_score(split.x_test[rows]) for d in (load(tmp_path / "m.onnx"), detector))
    off = np.abs(found - wanted) / np.maximum(np.abs(wanted), np.abs(wanted).mean())
    print(f"{name} on {kind}: {off.max():.1e}")
    assert off.max() < 1e-5


@pytest.mark.parametrize(
    "options",
    [
        {"preprocessing__scaling": "minmax"},
        {"preprocessing__scaling": "robust"},
        {"preprocessing__scaling": "none"},
        {"discriminator_loss": "sigma"},
        {"distance": "norm"},
    ],
)
def test_other_settings_have_their_graph_too(options, tmp_path):
    assert_exports_alike(
        fitted("egbad", table(300, 0), training__steps=0, **options), tmp_path / "m.onnx", table(30, 1)
    )


def test_every_answer_is_there(of_rows):
    detector, file = of_rows
    scorer, x = load(file), pd.DataFrame(table(60, 1), columns=[f"c{i}" for i in range(9)])
    assert (scorer.predict(x) == detector.predict(x)).all()
    assert scorer.p_value(x) == pytest.approx(detector.p_value(x), abs=0.05)
    assert (scorer.calibration_scores_ == detector.calibration_scores_).all()
    assert scorer.decision_function(x) == pytest.approx(detector.decision_function(x), rel=1e-4, abs=1e-4)
    assert scorer.discoveries(x, 0.5).shape == (60,)
    assert (scorer.threshold_, scorer.alpha) == (detector.threshold_, 0.2)
    assert scorer.describe() == json.loads(json.dumps(detector.describe())) | {"runtime": "onnx"}


def test_rows_are_encoded_and_decoded_as_by_the_encoder():
    x = table(200, 0)
    encoder = RowEncoder().fit(x)
    assert encoder.log.any()
    graph, far = EncodedRows(encoder), table(50, 1) * 7
    assert np.allclose(graph(torch.from_numpy(far)).numpy(), encoder.encode(far), rtol=1e-6, atol=1e-6)
    assert np.allclose(graph.back(torch.from_numpy(encoder.encode(x))).numpy(), encoder.decode(encoder.encode(x)))


def test_a_row_has_one_score(of_rows):
    _, file = of_rows
    x = pd.DataFrame(table(600, 1), columns=[f"c{i}" for i in range(9)])
    whole = OnnxScorer(file, threads=1).anomaly_score(x)
    scorer = OnnxScorer(file, threads=2)
    assert (scorer.anomaly_score(x) == whole).all()
    for rows in (slice(0, 1), slice(5, 7), slice(100, 103), slice(200, 490), slice(599, 600)):
        assert (scorer.anomaly_score(x[rows]) == whole[rows]).all()
    assert (scorer.anomaly_score(x[::-1]) == whole[::-1]).all()


def test_it_scores_where_there_is_no_torch(of_rows, tmp_path):
    _, file = of_rows
    pd.DataFrame(table(20, 1), columns=[f"c{i}" for i in range(9)]).to_csv(tmp_path / "x.csv", index=False)
    arguments = ["score", str(file), str(tmp_path / "x.csv"), "--out", str(tmp_path / "s.csv")]
    code = (
        "import sys\nfor name in ('torch', 'sklearn'): sys.modules[name] = None\n"
        f"from egbad.cli import main\ncode = main({arguments!r})\n"
        "assert 'pandas' not in sys.modules, 'it takes longer to import than a row to score'\nsys.exit(code)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(pd.read_csv(tmp_path / "s.csv")) == 20


# -- what can't be ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_has_no_graph_says_so(name, tmp_path):
    with pytest.raises(InvalidInputError, match="exported") as error:
        to_onnx.export(fitted(name, table(100, 0), members=1), tmp_path / "m.onnx")
    assert len(str(error.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_blend_of_what_has_no_graph_says_so(tmp_path):
    with pytest.raises(InvalidInputError, match="LOF has none"):
        to_onnx.export(fitted("blend", table(100, 0), parts=("nearest", "lof")), tmp_path / "m.onnx")


def test_a_graph_that_does_not_agree_is_not_written(of_rows, tmp_path, monkeypatch):
    detector, _ = of_rows
    (tmp_path / "m.onnx").write_text("what was there")
    monkeypatch.setattr(to_onnx, "_CLOSE", 0.0)
    with pytest.raises(EgbadError, match="must give the detector's scores"):
        to_onnx.export(detector, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_text() == "what was there"
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]


def test_input_that_does_not_fit_is_told_as_by_the_detector(of_rows):
    detector, file = of_rows
    x = pd.DataFrame(table(5, 1), columns=[f"c{i}" for i in range(8)] + ["other"])
    for wrong in (x, x.iloc[:, :3], np.zeros((4, 3, 3, 3)), x.assign(c0=np.inf)):
        with pytest.raises(InvalidInputError) as of_graph:
            load(file).anomaly_score(wrong)
        with pytest.raises(InvalidInputError) as of_detector:
            detector.anomaly_score(wrong)
        assert str(of_graph.value).replace("The exported 'egbad'", "EGBAD") == str(of_detector.value)


def cut(content):
    return content[: len(content) // 2]


def without_metadata(content):
    import onnx

    model = onnx.load_from_string(content)
    del model.metadata_props[:]
    return model.SerializeToString()


def of_a_later_release(content):
    import onnx

    model = onnx.load_from_string(content)
    for entry in model.metadata_props:
        if entry.key == KEY:
            entry.value = json.dumps(json.loads(entry.value) | {"format": 99})
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "can't be used"),
        (lambda content: b"", "can't be used"),
        (without_metadata, "no detector that egbad exported"),
        (of_a_later_release, "format 99, this release reads up to 1"),
    ],
)
def test_a_damaged_file_is_told_in_a_sentence(of_rows, tmp_path, damage, message):
    file = tmp_path / "m.onnx"
    file.write_bytes(damage(of_rows[1].read_bytes()))
    with pytest.raises(UnreadableFileError, match=message) as error:
        load(file)
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_file_and_a_missing_runtime_are_told(of_rows, tmp_path, monkeypatch):
    with pytest.raises(UnreadableFileError, match="There is no file"):
        load(tmp_path / "no.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EgbadError, match="pip install 'egbad\\[onnx\\]'"):
        load(of_rows[1])


def test_the_command_exports_and_scores_alike(tmp_path, capsys):
    np.savez(tmp_path / "x.npz", X=table(200, 0))
    fitted("knn", table(50, 0)).save(tmp_path / "m.egbad")
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
    assert "ends in .onnx" in capsys.readouterr().err
