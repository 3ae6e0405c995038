"""Tables of scores: columns, and reasons that are reasons."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from egbad.data import Data, as_data
from egbad.detectors.registry import create
from egbad.errors import InvalidInputError
from egbad.scoring.score_tables import (
    OutputColumns,
    check_carried_names,
    compute_terms,
    join_columns,
    plain_cells,
    score_columns,
    take_columns,
)


def bookings(n, seed):
    rng = np.random.default_rng(seed)
    nights = rng.poisson(2, n) + 1.0
    frame = pd.DataFrame({"nights": nights, "price": (nights * 80 + rng.normal(0, 8, n)).round(2)})
    frame["city"] = rng.choice(["Oslo", "Rome", "Turin"], n)
    frame["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 86_400 * 30, n), unit="s")
    frame["guests"] = np.where(rng.random(n) < 0.1, np.nan, rng.integers(1, 5, n))
    return frame


@pytest.fixture(scope="module")
def detector():
    return create("blend", alpha=0.1, random_state=0).fit(bookings(600, 0))


@pytest.fixture(scope="module")
def reasons(detector):
    """Score columns of 200 rows, 40 of which have a fault."""
    new = bookings(200, 1)
    new.loc[:9, "price"] *= 5
    new.loc[10:19, "city"] = "Bergen"
    new.loc[20:29, "nights"] = np.nan
    new.loc[30:39, "guests"] = 40.0
    data = as_data(new, detector.required_column_types)
    return pd.DataFrame(score_columns(detector, data, OutputColumns(detector.threshold_, False, 3)))


def test_a_table_has_the_scores_of_its_rows(detector):
    new = as_data(bookings(50, 2), detector.required_column_types)
    columns = score_columns(detector, new, OutputColumns(1.5, True, None))
    assert [*columns] == ["row", "score", "p_value", "anomaly", *compute_terms(detector.score_terms, new)]
    assert np.array_equal(columns["score"], detector.anomaly_score(new))
    assert np.array_equal(columns["anomaly"], columns["score"] > 1.5)


def test_only_anomalies_have_reasons(reasons):
    named = reasons["reason_1"].notna()
    assert named.sum() > 35 and (named == reasons["anomaly"]).all()
    assert reasons.loc[~named, [name for name in reasons if name.startswith("reason")]].isna().all(axis=None)


def test_no_reason_has_the_expected_value(reasons):
    for i in (1, 2, 3):
        found = reasons[reasons[f"reason_{i}"].notna()]
        both = found[[f"reason_{i}_observed", f"reason_{i}_expected"]].dropna()
        assert (both.iloc[:, 0] != both.iloc[:, 1]).all()
        assert (found[f"reason_{i}_share"] > 0).all()


def test_numbers_have_the_precision_of_their_column(reasons):
    for i in (1, 2, 3):
        for column, places in (("nights", 0), ("guests", 0), ("price", 2)):
            rows = reasons[reasons[f"reason_{i}"] == column]
            numbers = rows[[f"reason_{i}_low", f"reason_{i}_high"]].to_numpy().ravel()
            assert np.array_equal(numbers, np.round(numbers, places)) and not np.signbit(numbers[numbers == 0]).any()
            expected = rows[f"reason_{i}_expected"].dropna()
            assert (expected.str.partition(".")[2].str.len() <= places).all()


def test_the_injected_faults_are_the_reasons(reasons):
    for rows, column in ((range(10), "price"), (range(10, 20), "city"), (range(20, 30), "nights")):
        assert (reasons.loc[rows, "reason_1"] == column).all()
    assert (reasons.loc[10:19, "reason_1_observed"] == "Bergen").all()
    assert reasons.loc[20:29, "reason_1_observed"].isna().all()


def test_carried_columns_stand_before_the_scores_and_keep_their_types():
    carried = pa.table({"key": ["u", None, "w"], "n": pa.array([1, None, 3], pa.int32())})
    data = Data(np.array([[0.0], [1.0], [2.0]]), carried=carried)
    columns = score_columns(
        create("knn", alpha=0.3).fit(np.arange(40.0)[:, None] + 0.5), data, OutputColumns(1.0, False, None)
    )
    assert [*columns][:4] == ["row", "key", "n", "score"] and columns["n"].type == pa.int32()
    joined = take_columns(join_columns([columns, columns]), np.array([5, 1]))
    assert joined["key"].to_pylist() == ["w", None] and joined["row"].tolist() == [2, 1]
    assert plain_cells(joined["n"]) == [3, None]


def test_types_that_do_not_go_together_are_refused():
    parts = [{"key": pa.chunked_array([values]), "row": np.arange(1)} for values in (["a"], [[1]])]
    with pytest.raises(InvalidInputError, match="Columns to keep must have the same type in all files"):
        join_columns(parts)


def test_carried_columns_need_names_of_their_own():
    check_carried_names(["a"], ["score"])
    with pytest.raises(InvalidInputError, match="must have names of their own, got 'score'"):
        check_carried_names(["a", "score"], ["score"])
