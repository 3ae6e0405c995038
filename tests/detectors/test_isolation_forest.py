import numpy as np
import pytest
from sklearn import ensemble

from egbad.detectors import IsolationForest
from egbad.detectors.isolation_forest import average_path_length, check_trees, leaf_path_lengths
from egbad.errors import InvalidEntryError
from egbad.preprocessing import Preprocessing


def test_average_path_length_equals_the_papers():
    # c(2) = 1; c(256) = 2 H(255) - 2 * 255 / 256, about 10.24 as figure 3 of the paper shows.
    assert average_path_length(np.array([1, 2])).tolist() == [0, 1]
    harmonic = sum(1 / i for i in range(1, 256))
    assert average_path_length(np.array(256)) == pytest.approx(2 * harmonic - 2 * 255 / 256, abs=0.005)


def test_path_length_of_a_leaf_counts_its_depth_and_its_rows():
    x = np.array([[0.0], [1.0], [1.0]])  # the two equal rows end in one leaf
    forest = ensemble.IsolationForest(n_estimators=1, max_samples=3, random_state=0).fit(x)
    tree = forest.estimators_[0].tree_
    lengths = leaf_path_lengths(tree)
    is_leaf = tree.children_left < 0
    expected = {1: 1.0, 2: 1.0 + 1.0}  # rows in the leaf -> depth 1 + c(rows)
    for n, length in zip(tree.n_node_samples[is_leaf], lengths[is_leaf], strict=True):
        assert length == (expected[n] if tree.node_count > 1 else average_path_length(np.array(n)))


def test_score_equals_that_of_scikit_learn(fit, new_rows):
    reference = fit(IsolationForest(n_estimators=20, max_samples=100, preprocessing=Preprocessing(range_guard=False)))
    forest = ensemble.IsolationForest(n_estimators=20, max_samples=100, random_state=reference.random_state)
    forest.fit(reference.train)
    assert np.allclose(reference.detector.anomaly_score(new_rows), -forest.score_samples(reference.new))


def test_range_guard_scores_the_clipped_row_and_adds_the_distance(fit, rows):
    reference = fit(IsolationForest())
    detector, train = reference.detector, reference.train
    outside = rows[:1].copy()
    outside[0, 2] += 50
    terms, encoded = detector.score_terms(outside), detector.encoder_.encode(outside)
    clipped = np.clip(encoded, train.min(0), train.max(0))
    distance = np.abs(encoded - clipped).sum()
    assert distance > 10
    assert terms["range_penalty"][0] == pytest.approx(detector.range_guard_.score_std * distance, rel=1e-5)
    assert terms["isolation"][0] == detector._terms(clipped.astype(np.float32))["isolation"][0]
    assert (detector.score_terms(rows)["range_penalty"] <= detector.range_guard_.score_std * 5).all()


def test_trees_as_deep_as_allowed_are_accepted():
    left, right = np.array([[1, -1, 3, -1, -1]]), np.array([[2, -1, 4, -1, -1]])
    check_trees(left, right, max_depth=2)
    with pytest.raises(InvalidEntryError, match="must hold trees of depth 1 at most, got a longer path in tree 0"):
        check_trees(left, right, max_depth=1)


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ([0, -1, -1], [0, -1, -1], "got a longer path"),  # to itself
        ([1, 0, -1], [2, 2, -1], "got a longer path"),  # back to the root
        ([1, -1, -1], [3, -1, -1], "'right' must hold two of 3 nodes"),
        ([1, -1, -1], [-1, -1, -1], "'right' must hold two of 3 nodes"),
        ([-1, -1, -1], [1, -1, -1], "'right' must hold two of 3 nodes"),
    ],
)
def test_trees_whose_paths_do_not_end_are_refused(left, right, message):
    leaf = [-1, -1, -1]
    with pytest.raises(InvalidEntryError, match=message):
        check_trees(np.array([leaf, left]), np.array([leaf, right]), max_depth=8)
