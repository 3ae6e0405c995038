import numpy as np
import pandas as pd
import pytest

from egbad.detectors import FeatureBagging
from egbad.detectors.feature_bagging import draw_subsets, subset_size
from egbad.errors import InvalidInputError
from egbad.scoring.calibration import NegativeLogTail

UNSCALED = {"preprocessing__scaling": "none", "random_state": 0, "alpha": 0.1}


def rows(n, seed):
    return np.random.default_rng(seed).normal(size=(n, 5)).astype(np.float32).astype(float)


def distances(a, b):
    return np.sqrt(((a[:, None] - b) ** 2).sum(2))


def test_sizes_of_subsets_are_numbers_or_fractions():
    assert [subset_size(size, 10) for size in (0.75, 0.5, 1.0, 2, 20, 0.01)] == [8, 5, 10, 2, 10, 1]


def test_subsets_are_distinct_and_of_the_sizes_in_turn():
    rng = np.random.RandomState(0)
    subsets = draw_subsets(8, (0.75, 0.5), 12, rng)
    assert subsets.sum(1).tolist() == [9, 6] * 4 and len(np.unique(subsets, axis=0)) == 8
    assert len(draw_subsets(8, (2,), 3, rng)) == 3


def test_score_is_the_mean_of_the_logarithms():
    x, new = rows(100, 0), rows(20, 1)
    detector = FeatureBagging().set_params(**UNSCALED).fit(x)
    a = detector.learned_
    usual = np.median([np.partition(d, 1)[1] for d in distances(a["rows"], a["rows"])])
    assert a["epsilon"] == pytest.approx(1e-3 * usual + 1e-6, rel=1e-4)
    found = [distances(new[:, s], a["rows"][:, s]).min(1) for s in a["subsets"]]
    assert detector.anomaly_score(new) == pytest.approx(np.log1p(np.array(found) / a["epsilon"]).mean(0), rel=1e-6)


def test_pairs_are_combined_by_their_tails():
    x, new = rows(100, 0), rows(20, 1) * 2
    detector = FeatureBagging(max_features=(2,), combination="tail").set_params(**UNSCALED).fit(x)
    a = detector.learned_
    tails = []
    for s in a["subsets"]:
        among = distances(a["rows"][:, s], a["rows"][:, s])
        np.fill_diagonal(among, np.inf)
        tails.append(NegativeLogTail(among.min(1).astype(float))(distances(new[:, s], a["rows"][:, s]).min(1)))
    assert a["subsets"].sum(1).tolist() == [2] * 8
    assert detector.anomaly_score(new) == pytest.approx((np.array(tails) ** 4).mean(0) ** 0.25, rel=1e-5)


@pytest.mark.parametrize("combination", ["log", "tail"])
def test_scores_of_training_rows_leave_themselves_out(combination):
    x = rows(120, 0)
    detector = FeatureBagging(combination=combination).set_params(**UNSCALED).fit(x)
    train = detector.learned_["rows"].astype(float)
    expected = detector._combine(
        np.stack([
            [distances(train[[i]][:, s], np.delete(train, i, 0)[:, s]).min() for i in range(len(train))]
            for s in detector.learned_["subsets"]
        ])
    )  # fmt: skip
    assert detector.leave_one_out_scores(train) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("combination", ["log", "tail"])
def test_shares_add_up_and_show_the_odd_column(combination):
    x = np.random.default_rng(0).normal(size=(400, 6))
    detector = FeatureBagging(
        combination=combination, max_features=(2,), n_estimators=15, alpha=0.05, random_state=0
    ).fit(x)
    new = np.zeros((1, 6))
    new[0, 3] = 8
    explanation = detector.explain(new)
    assert explanation.shares.sum() == pytest.approx(explanation.score[0])
    assert explanation.shares[0].argmax() == 3
    assert abs(explanation.expected[0, 3]) < 5


def test_the_encoded_columns_of_a_category_stay_together():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=300), "b": rng.choice([*"uvwxy"], 300), "c": rng.normal(size=300)})
    detector = FeatureBagging(max_features=(2,), alpha=0.1, random_state=0).fit(frame)
    columns = detector.table_encoder.source_columns
    assert {tuple(np.unique(columns[s])) for s in detector.learned_["subsets"]} == {(0, 1), (0, 2), (1, 2)}
    assert all(s.sum() == np.isin(columns, columns[s]).sum() for s in detector.learned_["subsets"])


@pytest.mark.parametrize("max_features", [(), (0,), (1.5,), (-2,)])
def test_impossible_sizes_are_refused(max_features):
    with pytest.raises(InvalidInputError, match="max_features"):
        FeatureBagging(max_features=max_features).fit(rows(30, 0))
