"""Precision, thresholds and labelled rows from reviews."""

import json

import numpy as np
import pytest
from scipy import stats

from egbad.errors import InvalidInputError
from egbad.scoring import calibration
from egbad.service.store.items import ScoreGroups, StoredItem
from egbad.service.store.reviews import labelled_table, measured_precision, threshold_for_false_alarms


def groups(**scores):
    names = ("unflagged", "waiting", "confirmed", "dismissed", "missed")
    return ScoreGroups(**{name: np.asarray(scores.get(name, []), dtype=np.float64) for name in names})


@pytest.fixture
def stored(item):
    """Return an item with a row that was reviewed."""

    def stored(number, verdict, row=None, **fields):
        payload = None if row is None else json.dumps(row).encode()
        kind = {"media_type": "application/json"} if row is not None else {}
        return StoredItem(number, item(number, payload=payload, **kind, **fields), verdict, row is not None)

    return stored


# -- precision ---------------------------------------------------------------------------------------------------------


def test_precision_has_the_interval_of_clopper_and_pearson():
    found = measured_precision(3, 7)
    assert found.share == 0.3
    assert found.low == pytest.approx(stats.beta.ppf(0.025, 3, 8)) and found.high == pytest.approx(
        stats.beta.ppf(0.975, 4, 7)
    )


def test_extreme_precisions_have_one_sided_intervals():
    assert measured_precision(0, 5).low == 0.0
    assert measured_precision(5, 0).high == 1.0
    assert measured_precision(5, 0).low == pytest.approx(0.025 ** (1 / 5))


def test_without_reviews_nothing_is_known():
    found = measured_precision(0, 0)
    assert (found.share, found.low, found.high) == (None, 0.0, 1.0)


def test_the_interval_covers_the_precision():
    rng = np.random.default_rng(0)
    intervals = [measured_precision(int(k), 20 - int(k), 0.9) for k in rng.binomial(20, 0.7, 400)]
    assert np.mean([found.low <= 0.7 <= found.high for found in intervals]) >= 0.9


# -- thresholds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.01, 0.02, 0.05, 0.3])
def test_with_all_flags_reviewed_the_threshold_is_that_of_calibration(rate):
    scores = np.random.default_rng(0).normal(size=300)
    flagged = scores > 1.5
    found = threshold_for_false_alarms(
        groups(unflagged=scores[~flagged], dismissed=scores[flagged], confirmed=[5.0, 6.0]), rate
    )
    assert found.threshold == calibration.threshold(np.sort(scores), rate)
    assert found.rate <= rate and found.normal_items == 300
    assert found.current_rate == flagged.mean()


def test_dismissed_flags_stand_for_those_that_wait():
    # Two of four flags are reviewed and one of them dismissed, so about two flags are false alarms.
    found = threshold_for_false_alarms(
        groups(unflagged=np.arange(1.0, 98.0), waiting=[98.5, 99.0], confirmed=[200.0], dismissed=[98.0]), 0.03
    )
    assert found.normal_items == 99 and found.current_rate == pytest.approx(2 / 99)
    assert (found.threshold, found.rate) == (97.0, pytest.approx(0.03))


def test_equal_scores_are_flagged_together():
    found = threshold_for_false_alarms(groups(unflagged=[1.0] * 10, dismissed=[2.0] * 10), 0.4)
    assert (found.threshold, found.rate) == (2.0, 1 / 21)


def test_missed_anomalies_are_no_normal_items():
    found = threshold_for_false_alarms(groups(unflagged=np.arange(99.0), missed=[1000.0]), 0.01)
    assert (found.threshold, found.normal_items) == (98.0, 99)


def test_thresholds_keep_the_rate_on_new_items():
    rng = np.random.default_rng(1)
    rates = []
    for _ in range(200):
        scores = rng.normal(size=199)
        flagged = scores > 1
        reviewed = flagged & (rng.random(199) < 0.7)
        reviewed[np.flatnonzero(flagged)[0]] = True
        found = threshold_for_false_alarms(
            groups(unflagged=scores[~flagged], waiting=scores[flagged & ~reviewed], dismissed=scores[reviewed]), 0.05
        )
        rates.append(stats.norm.sf(found.threshold))
    assert 0.04 < np.mean(rates) < 0.06


def test_a_threshold_needs_reviews_and_enough_items():
    with pytest.raises(InvalidInputError, match="needs reviewed flags, and none of 2 is reviewed. Review some first."):
        threshold_for_false_alarms(groups(unflagged=np.arange(99.0), waiting=[1.0, 2.0]), 0.05)
    with pytest.raises(InvalidInputError, match="A false-alarm rate of 0.01 needs at least 99 normal items, got 98."):
        threshold_for_false_alarms(groups(unflagged=np.arange(98.0)), 0.01)
    with pytest.raises(InvalidInputError, match="needs at least 1 normal items, got 0."):
        threshold_for_false_alarms(groups(), 0.5)
    with pytest.raises(InvalidInputError, match=r"rate must be in \(0, 1\), got 1.5."):
        threshold_for_false_alarms(groups(), 1.5)


# -- labelled rows -----------------------------------------------------------------------------------------------------


def test_rows_become_columns_with_labels_last(stored):
    found = labelled_table(
        [
            stored(1, "confirmed", {"a": 1, "city": "Rome", "ok": True}),
            stored(2, "dismissed", {"a": 2.5, "city": None, "new": "x"}),
            stored(3, None, {"a": None, "ok": False}),
        ]
    )
    assert found.table.to_pydict() == {
        "a": [1.0, 2.5, None],
        "city": ["Rome", None, None],
        "ok": [True, None, False],
        "new": [None, "x", None],
        "label": ["anomaly", "normal", "normal"],
    }
    assert found.has_rows and found.n_left_out == 0


def test_items_without_rows_are_left_out_where_others_have_one(stored):
    found = labelled_table([stored(1, "confirmed", {"a": 1}), stored(2, "dismissed")])
    assert found.table.to_pydict() == {"a": [1], "label": ["anomaly"]} and found.n_left_out == 1


def test_without_rows_the_table_has_keys_and_scores(stored):
    found = labelled_table([stored(1, "confirmed", score=2.0), stored(2, "dismissed", p_value=None)])
    assert found.table.to_pydict() == {
        "key": ["row 1", "row 2"],
        "score": [2.0, 1.0],
        "p_value": [0.5, None],
        "label": ["anomaly", "normal"],
    }
    assert not found.has_rows
    assert labelled_table([]).table.column_names == ["key", "score", "p_value", "label"]


def test_mixed_values_become_text(stored):
    values = [1, "one", True, [1], 10**400, "caf\udce9"]
    found = labelled_table([stored(i, "confirmed", {"a": value}) for i, value in enumerate(values)])
    assert found.table["a"].to_pylist() == ["1", "one", "true", "[1]", str(10**400), "caf?"]


def test_large_integers_become_floats(stored):
    found = labelled_table([stored(0, "confirmed", {"a": 2**70}), stored(1, "confirmed", {"a": 1})])
    assert found.table["a"].to_pylist() == [2.0**70, 1.0]


def test_lists_are_named_by_position(stored):
    assert labelled_table([stored(0, "confirmed", [1, 2])]).table.column_names == ["0", "1", "label"]


def test_a_column_of_the_name_of_the_labels_is_refused(stored):
    items = [stored(0, "confirmed", {"label": 1})]
    with pytest.raises(InvalidInputError, match="The rows have a column 'label' already. Choose another name"):
        labelled_table(items)
    assert labelled_table(items, "verdict").table.column_names == ["label", "verdict"]


@pytest.mark.parametrize(
    ("payload", "problem"), [(b"{", "cannot be parsed: "), (b"7", "must be a JSON object or list")]
)
def test_a_row_that_is_no_json_object_is_reported(item, payload, problem):
    stored = StoredItem(9, item(0, payload=payload, media_type="application/json"), "confirmed", True)
    with pytest.raises(InvalidInputError, match=f"The row of item 9 {problem}"):
        labelled_table([stored])
