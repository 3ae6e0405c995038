"""Tests of `egbad.integrations.tracking`, with the real trackers where they are installed, and without network."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from egbad import EGBAD, TrainingConfig, load
from egbad.errors import EgbadError, InvalidInputError
from egbad.integrations import MLflowLogger, TensorBoardLogger, WandbLogger

SOURCE = Path(__file__).parents[2] / "src"
IMAGES = np.random.default_rng(0).uniform(size=(60, 8, 8))


def fit(callback):
    detector = EGBAD(training=TrainingConfig(steps=20), alpha=0.3, random_state=0)
    return detector.fit(IMAGES, callback=callback, callback_interval=10)


def test_tensorboard_has_scalars_images_and_parameters(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    detector = fit(TensorBoardLogger(tmp_path / "runs", scores={"all": IMAGES}, images=IMAGES[:3]))
    events = accumulator.EventAccumulator(str(tmp_path / "runs"))
    events.Reload()
    losses = events.Scalars("loss/D")
    assert [event.step for event in losses] == [10, 20]
    assert losses[1].value == pytest.approx(detector.history_["D"][-1, 0], rel=1e-5)
    assert [event.step for event in events.Scalars("score/all/median")] == [10, 20]
    assert events.Scalars("result/threshold")[0].value == pytest.approx(detector.threshold_, rel=1e-6)
    pictures = events.Images("reconstructions")
    assert [(event.step, event.width, event.height) for event in pictures] == [(10, 144, 144), (20, 144, 144)]
    assert "parameters/text_summary" in events.Tags()["tensors"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of MLflow's own dependencies
def test_mlflow_has_metrics_parameters_and_the_model_file(tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    try:
        experiment = mlflow.create_experiment("egbad", artifact_location=(tmp_path / "artifacts").as_uri())
        with mlflow.start_run(experiment_id=experiment) as run:
            detector = fit(MLflowLogger(images=IMAGES[:3], model_file="model.egbad"))
        client = mlflow.MlflowClient()
        history = client.get_metric_history(run.info.run_id, "loss/EG")
        assert [metric.step for metric in history] == [10, 20]
        assert history[-1].value == pytest.approx(detector.history_["EG"][-1, 0], rel=1e-5)
        found = client.get_run(run.info.run_id).data
        assert found.metrics["threshold"] == detector.threshold_ and found.params["alpha"] == "0.3"
        stored = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="model.egbad"))
        assert np.array_equal(load(stored).anomaly_score(IMAGES[:5] ** 2), detector.anomaly_score(IMAGES[:5] ** 2))
        assert len([*(tmp_path / "artifacts").rglob("*reconstructions*.png")]) == 2
    finally:
        mlflow.set_tracking_uri(before)


def test_weights_and_biases_has_a_run_without_network(tmp_path):
    pytest.importorskip("wandb", reason="wandb is not installed")
    # Its service is a process of its own and its directories are settings of the process, so that another one runs it.
    code = """
        import json, numpy as np, wandb
        from egbad import EGBAD, TrainingConfig
        from egbad.errors import InvalidInputError
        from egbad.integrations import WandbLogger
        try:
            WandbLogger()
        except InvalidInputError as error:
            print(error)
        x = np.random.default_rng(0).uniform(size=(60, 8, 8))
        with wandb.init(project="egbad", mode="offline") as run:
            detector = EGBAD(training=TrainingConfig(steps=20), alpha=0.3, random_state=0)
            detector.fit(x, callback=WandbLogger(run, images=x[:3]), callback_interval=10)
            summary = dict(run.summary)
            print(json.dumps([summary["threshold"], detector.threshold_, summary["loss/D"], run.config["alpha"]]))
            print(summary["_step"], summary["reconstructions"]["_type"])
    """
    environment = {**os.environ, "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true", "HOME": str(tmp_path)}
    environment["PYTHONPATH"] = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "WandbLogger needs a run, got none. Call wandb.init() first."
    threshold, expected, loss, alpha = eval(lines[1])
    assert threshold == expected and 0 < loss < 10 and alpha == "0.3"
    assert lines[2] == "20 image-file"
    assert [*tmp_path.rglob("*.wandb")]


@pytest.mark.parametrize(
    ("make", "package"),
    [
        (lambda: TensorBoardLogger("runs"), "tensorboard"),
        (MLflowLogger, "mlflow"),
        (WandbLogger, "wandb"),
    ],
)
def test_a_missing_tracker_is_one_sentence_that_names_it(make, package, monkeypatch):
    monkeypatch.setattr("egbad.errors.find_spec", lambda name: None)
    message = rf"^\w+Logger needs {package}, which is not installed\. Install it with: pip install {package}$"
    with pytest.raises(EgbadError, match=message):
        make()


def test_a_model_file_is_a_name(monkeypatch):
    monkeypatch.setattr("egbad.errors.find_spec", lambda name: object())
    with pytest.raises(InvalidInputError, match=r"^model_file must be a name without a folder, got 'a/b\.egbad'\.$"):
        MLflowLogger(model_file="a/b.egbad")


def test_importing_the_package_imports_no_tracker():
    code = "import sys, egbad.integrations; print({'mlflow', 'wandb', 'tensorboard'} & {*sys.modules})"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "set()\n"
