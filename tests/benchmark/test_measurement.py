"""A record has the metrics of the detector's scores."""

import numpy as np

from egbad.benchmark import protocols
from egbad.benchmark.jobs import Job
from egbad.benchmark.measurement import measure
from egbad.benchmark.suites import VARIANTS, Task, Variant
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
    assert kinds["bright"] == {"auroc": 1.0, "n": 10} and kinds["hidden"]["auroc"] < 0.9
    assert record["metrics"]["pixel_auroc"] > 0.95
    assert record["pictures"].height == 8 and len(record["pictures"].normals) == 4
    assert measure(Job(made, VARIANTS["knn"], 0))["metrics"].get("pixel_auroc") is None
