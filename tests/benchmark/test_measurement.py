"""A record has the metrics of the detector's scores."""

import numpy as np
import pyarrow as pa
from PIL import Image

from egbad.benchmark import protocols
from egbad.benchmark.jobs import Job, make_jobs
from egbad.benchmark.measurement import measure
from egbad.benchmark.suites import VARIANTS, Variant
from egbad.benchmark.tasks import Task, user_task
from egbad.data import Data, as_data, read
from egbad.detectors.registry import create
from egbad.scoring import metrics


def test_a_record_agrees_with_the_detector(task, tmp_path):
    record = measure(Job(task, VARIANTS["pca"], 3), scores_path=tmp_path / "scores.npy")
    split, _ = task.load(3)
    detector = create("pca", random_state=3, alpha=0.05).fit(split.x_train)
    scores = detector.anomaly_score(split.x_test)
    assert np.array_equal(np.load(tmp_path / "scores.npy"), scores)
    assert record["metrics"]["auroc"] == metrics.auroc(scores, split.anomalous)
    assert record["metrics"]["average_precision"] == metrics.average_precision(scores, split.anomalous)
    assert record["top"][0] == split.row_indices[scores.argmax()]
    assert record["flagged"]["0.05"] == (detector.predict(split.x_test) < 0).mean()


def test_kinds_of_anomalies_and_pixels_are_measured_apart(dataset):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 8, 8))
    labels, masks = np.repeat(["fine", "bright", "hidden"], [70, 10, 10]), np.zeros((90, 8, 8), dtype=bool)
    masks[70:80, 2:4, 2:4] = True
    x[masks] += 30
    data = dataset(x, labels, masks)

    class MadeTask(Task):
        def load(self, seed, data_dir=None):
            return protocols.share_of_normals(data, "fine", seed=seed), "digest"

    made = MadeTask("made", "made", "clean", protocols.share_of_normals)
    by_pixels = {"training__steps": 30, "distance": "norm", "discriminator_loss": "fm", "residual_weight": 0.9}
    record = measure(Job(made, Variant("egbad", "egbad", by_pixels), 0))
    kinds = record["metrics"]["by_kind"]
    assert kinds["bright"]["auroc"] == 1.0 and kinds["bright"]["n"] == 10 and kinds["hidden"]["auroc"] < 0.9
    assert record["metrics"]["pixel_auroc"] == kinds["bright"]["pixel_auroc"] > 0.95
    assert record["metrics"]["peaks_in_masks"] == 1.0 and "pro" not in kinds["hidden"], "its masks are empty"
    assert record["pictures"].height == 8 and len(record["pictures"].normals) == 4
    assert measure(Job(made, VARIANTS["knn"], 0))["metrics"]["pro"] > 0.9, "every detector has pixel scores"


def test_detectors_are_measured_with_the_column_types_of_the_users_table(tmp_path):
    rng = np.random.default_rng(0)
    table = pa.table({"bytes": rng.lognormal(5, 1, 300), "host": [f"h{i}" for i in rng.integers(0, 60, 300)]})
    data = as_data(table)
    anomalous = rng.random(300) < 0.3
    task = user_task("t.parquet", data, anomalous, tmp_path / "data.npz")
    (job,) = make_jobs([task], [Variant("knn", "knn", {"alpha": 0.1})], 1)
    record = measure(job)
    split, _ = task.load(0)

    def fit(column_types):
        return create("knn", alpha=0.1, random_state=0).fit(Data(split.x_train, column_types=column_types))

    scores = fit(data.column_types).anomaly_score(Data(split.x_test, column_types=data.column_types))
    assert record["metrics"]["auroc"] == metrics.auroc(scores, split.anomalous)
    as_categories, as_numbers = (fit(types).calibration_scores_.mean() for types in (data.column_types, None))
    assert as_categories != as_numbers, "the codes of categories would give other scores as numbers"


def test_images_that_stay_in_their_files_are_measured_and_shown_at_the_size_of_the_detector(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(16):
        pixels = rng.integers(100, 120, (20 + i % 2, 24)) + 100 * (i >= 12)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{i:02}.png")
    task = user_task("photos", read(tmp_path, lazy=True), np.arange(16) >= 12, tmp_path / "data.npz")
    record = measure(Job(task, Variant("vae", "vae", {"training__steps": 2}), 0))
    assert (record["training_rows"], record["test_rows"], record["repeats"]) == (6, 10, 0)
    pictures = record["pictures"]
    assert (len(pictures.anomalies), pictures.height, pictures.width) == (4, 21, 24)
