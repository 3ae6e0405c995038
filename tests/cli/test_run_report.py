"""The work of `egbad report`."""

import numpy as np
import pytest

from egbad.backbones import FeatureConfig
from egbad.cli.run_report import HighestScores, _score
from egbad.data import Data, as_stream
from egbad.detectors import KNN, Gaussian
from egbad.errors import InvalidInputError, LearnedRowsWarning
from egbad.explain.explanation import Explanation
from egbad.report import RowLocation
from tests.detectors.counted_backbone import CountedBackbone


def test_the_highest_scores_of_all_batches_are_kept_in_order():
    highest = HighestScores(max_rows=3)
    x = np.arange(10.0).reshape(5, 2)
    highest.add(Data(x, source="a.csv"), np.array([0.0, 5.0, 1.0, 2.0, 0.5]))
    highest.add(Data(x + 100, source="b.csv", first_row=7), np.array([9.0, 0.0, 2.0, 0.0, 0.0]))
    assert highest.scores.tolist() == [9.0, 5.0, 2.0]
    assert highest.rows().x.tolist() == [[100.0, 101.0], [2.0, 3.0], [6.0, 7.0]]  # the earlier of two equal scores
    assert highest.locations == [RowLocation("b.csv", 7), RowLocation("a.csv", 1), RowLocation("a.csv", 3)]


def test_category_labels_of_all_batches_are_kept():
    highest = HighestScores(max_rows=2)
    highest.add(Data(np.array([[1.0]]), category_labels={0: {1.0: "tcp"}}), np.array([1.0]))
    highest.add(Data(np.array([[2.0]]), category_labels={0: {2.0: "udp"}}), np.array([2.0]))
    assert highest.rows().category_labels == {0: {1.0: "tcp", 2.0: "udp"}}


def test_images_are_located_by_their_files():
    highest = HighestScores(max_rows=1)
    highest.add(Data(np.zeros((2, 8, 8)), files=("a.png", "b.png")), np.array([1.0, 2.0]))
    assert highest.locations == [RowLocation(file="b.png")]


def test_explanations_are_kept_with_their_images():
    highest, x = HighestScores(max_rows=3), np.arange(5.0)[:, None, None] + np.zeros((5, 4, 4))
    for start, scores in ((0, [0.0, 5.0, 1.0]), (3, [9.0, 2.0])):
        images = x[start : start + len(scores)]
        terms = {"one": np.array(scores)}
        explained = Explanation(np.array(scores), np.zeros(len(scores)), images, images, images, (), "exact", terms)
        highest.add(Data(images), np.array(scores), explained)
    assert highest.explanation.score.tolist() == highest.scores.tolist() == [9.0, 5.0, 2.0]
    assert highest.explanation.shares[:, 0, 0].tolist() == highest.rows().x[:, 0, 0].tolist() == [3.0, 1.0, 4.0]
    assert highest.explanation.terms["one"].tolist() == [9.0, 5.0, 2.0]


def report_of(detector, x, batch=4):
    scores, highest = _score(detector, as_stream(Data(x), batch), max_explained=3)
    return scores, highest, highest.explanation or detector.explain(highest.rows())


def test_each_image_of_a_report_passes_the_backbone_once():
    backbone, rng = CountedBackbone(), np.random.default_rng(0)
    x = rng.integers(90, 130, (49, 24, 32)).astype(np.uint8)
    config = FeatureConfig(image_size=64, max_patches=300)
    detector = Gaussian(backbone=backbone, features="patches", feature_config=config, alpha=0.2, random_state=0).fit(
        x[:40]
    )
    backbone.taken()
    scores, highest, explanation = report_of(detector, x[40:])
    assert backbone.taken() == 9
    assert np.array_equal(scores, detector.anomaly_score(x[40:]))
    expected = detector.explain(highest.rows())
    for name in ("score", "shares", "anomaly_map", "observed"):
        assert np.array_equal(getattr(explanation, name), getattr(expected, name))


def test_reports_of_pixels_explain_the_highest_scores_only():
    x = np.random.default_rng(0).normal(size=(120, 8, 8))
    scores, highest, explanation = report_of(KNN(alpha=0.1, random_state=0).fit(x[:100]), x[100:])
    assert highest.explanation is None and len(explanation.score) == 3 and len(scores) == 20


def test_images_that_were_learned_are_reported():
    backbone, x = CountedBackbone(), np.random.default_rng(0).integers(90, 130, (40, 24, 32)).astype(np.uint8)
    config = FeatureConfig(image_size=64, max_patches=300)
    detector = Gaussian(backbone=backbone, features="patches", feature_config=config, alpha=0.2, random_state=0).fit(x)
    with pytest.warns(LearnedRowsWarning):
        report_of(detector, x, batch=40)


def test_an_empty_stream_is_refused():
    with pytest.raises(InvalidInputError, match="at least one row or image"):
        HighestScores(max_rows=1).rows()
