"""Decisions of any scorer: sign, threshold, p-values, and validation of input."""

import numpy as np
import pandas as pd
import pytest

from egbad.data import as_data
from egbad.data.column_roles import ColumnRoles
from egbad.errors import ColumnsWarning, InvalidInputError
from egbad.scoring.scorer import Scorer


class SumScorer(Scorer):
    """Scores rows by their sum."""

    def __init__(self, columns=None, column_types=None, labels=None, shape=(2,), kind="rows"):
        self.kind_, self.shape_, self.columns_, self.column_types_ = kind, shape, columns, column_types
        self.category_labels_ = labels or {}
        self.calibration_scores_, self.alpha = np.arange(1.0, 10.0), 0.5

    def score_terms(self, X):
        return {"sum": self._validate_input(X, "SumScorer").x.sum(axis=1)}

    def anomaly_score(self, X):
        return self.score_terms(X)["sum"]


X = np.array([[1.0, 1.0], [4.0, 4.0]])


def test_samples_and_decisions_have_the_sign_of_scikit_learn():
    scorer = SumScorer()
    assert scorer.score_samples(X).tolist() == [-2, -8]
    assert scorer.offset_ == -5
    assert scorer.decision_function(X).tolist() == [3, -3]
    assert scorer.predict(X).tolist() == [1, -1]


def test_a_score_at_the_threshold_is_normal():
    assert SumScorer().predict([[2.0, 3.0]]).tolist() == [1]


def test_p_values_rank_scores_among_calibration_scores():
    assert SumScorer().p_value(X).tolist() == [0.9, 0.3]


def test_discoveries_control_the_false_discovery_rate():
    assert SumScorer().discoveries([[5.0, 5.0], [0.0, 0.0]], fdr=0.5).tolist() == [True, False]
    with pytest.raises(InvalidInputError, match=r"fdr must be in \(0, 1\), got 1.5"):
        SumScorer().discoveries(X, fdr=1.5)


def test_number_of_features_is_the_product_of_the_shape():
    assert SumScorer(shape=(3, 8, 8), kind="images").n_features_in_ == 192


def test_extra_columns_are_ignored_with_a_warning():
    frame = pd.DataFrame(X, columns=["a", "b"]).assign(**dict.fromkeys("uvwxyz", "?"))[["z", *"uvwxy", "b", "a"]]
    message = "SumScorer was fitted without the columns 'z', 'u', 'v', 'w', 'x' and 1 more of X"
    with pytest.warns(ColumnsWarning, match=message):
        assert SumScorer(columns=("a", "b")).anomaly_score(frame).tolist() == [2, 8]


def test_columns_in_another_order_are_matched_by_name():
    scorer, frame = (
        SumScorer(columns=("a", "b"), column_types=("number", "category")),
        pd.DataFrame({"b": ["x"], "a": [1.0]}),
    )
    with pytest.warns(ColumnsWarning, match="X has the columns that SumScorer was fitted on in another order"):
        found = scorer.anomaly_score(frame)
    assert np.array_equal(found, scorer.anomaly_score(frame[["a", "b"]]))


def test_columns_with_a_role_may_be_there_or_not():
    scorer = SumScorer(columns=("a", "b"))
    scorer.column_roles_ = ColumnRoles(ids=("key",), ignored=("note",), label="y")
    frame = pd.DataFrame(X, columns=["a", "b"])
    for table in (frame, frame.assign(y=1)[["y", "a", "b"]], frame.assign(key="k", note=[[1], [2]], y=0)):
        assert scorer.anomaly_score(table).tolist() == [2, 8]


def test_times_are_read_in_the_zone_of_the_fit():
    scorer = SumScorer(columns=("a", "t"), column_types=("number", "time[Asia/Tokyo]"))
    utc = pd.DataFrame({"a": [1.0], "t": pd.to_datetime([0], unit="s", utc=True)})
    for table in (utc, utc.assign(t=utc["t"].dt.tz_convert("Asia/Tokyo")), as_data(utc)):
        assert scorer.anomaly_score(table).tolist() == [1 + 9 * 3600]
    with pytest.raises(InvalidInputError, match="Column 't' must hold times with a zone .* got times without a zone"):
        scorer.anomaly_score(utc.assign(t=utc["t"].dt.tz_localize(None)))
    naive = SumScorer(columns=("a", "t"), column_types=("number", "time"))
    with pytest.raises(InvalidInputError, match="Column 't' must hold times without a zone, .* with a zone .UTC"):
        naive.anomaly_score(utc)


def test_other_column_names_are_listed():
    scorer = SumScorer(columns=("a", "b"))
    with pytest.raises(InvalidInputError, match="unseen at fit time:\n- c\n.*now missing:\n- b\n"):
        scorer.anomaly_score(pd.DataFrame(X, columns=["a", "c"]))


def test_names_on_one_side_only_warn():
    with pytest.warns(UserWarning, match="X does not have valid feature names, but SumScorer was fitted with"):
        SumScorer(columns=("a", "b")).anomaly_score(X)
    with pytest.warns(UserWarning, match="X has feature names, but SumScorer was fitted without"):
        SumScorer().anomaly_score(pd.DataFrame(X, columns=["a", "b"]))


def test_another_number_of_columns_is_refused():
    with pytest.raises(InvalidInputError, match="X has 3 features, but SumScorer is expecting 2 features as input"):
        SumScorer().anomaly_score(np.ones((4, 3)))


def test_another_shape_of_images_is_refused():
    with pytest.raises(InvalidInputError, match=r"fitted on images of shape \(8, 8\), got"):
        SumScorer(shape=(8, 8), kind="images").anomaly_score(np.ones((2, 9, 9)))
    with pytest.raises(InvalidInputError, match="fitted on rows"):
        SumScorer().anomaly_score(np.ones((2, 9, 9)))


def test_a_channel_axis_is_added_where_the_fitted_images_have_one():
    images = np.arange(128.0).reshape(2, 8, 8)
    scorer = SumScorer(shape=(1, 8, 8), kind="images")
    scorer.pixel_scale_ = None
    assert scorer._validate_input(images, "SumScorer").x.shape == (2, 1, 8, 8)


def test_another_column_type_is_refused():
    scorer = SumScorer(("a", "b"), ("number", "category"), {1: {0.0: "x"}})
    with pytest.raises(InvalidInputError, match="Column 'a' must hold"):
        scorer.anomaly_score(pd.DataFrame({"a": ["x", "y"], "b": ["x", "x"]}))


def test_required_column_types_go_by_name_where_there_are_names():
    assert SumScorer().required_column_types is None
    assert SumScorer(None, ("number", "time")).required_column_types == ("number", "time")
    assert SumScorer(("a", "b"), ("number", "time")).required_column_types == {"a": "number", "b": "time"}


def test_codes_of_categories_are_replaced_by_their_labels():
    scorer = SumScorer(("a", "b"), ("number", "category"), {1: {0.0: "x", 1.0: "y"}})
    labelled = scorer._to_user_units(np.array([[0.5, 1.0], [0.5, 7.0], [0.5, np.nan]]), {1: {7.0: "new"}})
    assert labelled.tolist() == [[0.5, "y"], [0.5, "new"], [0.5, None]]
    assert SumScorer()._to_user_units(X) is X
