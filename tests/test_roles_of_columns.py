"""Columns that are left out or carried through, in all kinds of tables, from the fit to the scores."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from egbad import detect, load
from egbad.data import as_data, read
from egbad.data.column_roles import ColumnRoles
from egbad.detectors import KNN
from egbad.detectors.blend import Blend
from egbad.errors import ColumnsWarning, DataQualityWarning, InvalidInputError
from egbad.export import export
from egbad.tuning import tune

TYPES = {"key": "id", "note": "ignore", "y": "label", "zip": "category"}
ROLES = ColumnRoles(ids=("key",), ignored=("note",), label="y")
LEARNED = ["a", "zip", "b"]


def make_frame(n, seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "key": [f"k{seed}{i:03}" for i in range(n)],
            "a": rng.normal(size=n).round(3),
            "zip": rng.integers(100, 103, n),
            "note": [f"text {i}" for i in range(n)],
            "b": rng.normal(size=n).round(3),
            "y": rng.integers(0, 2, n),
        }
    )


TRAIN, NEW = make_frame(80, 1), make_frame(12, 2)


def to_csv(frame, folder):
    path = folder / "t.csv"
    frame.to_csv(path, index=False)
    return path


def to_parquet(frame, folder):
    path = folder / "t.parquet"
    frame.to_parquet(path)
    return path


IN_MEMORY = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "Arrow": pa.Table.from_pandas,
    "Data": lambda frame: as_data(frame, {"zip": "category"}),
}
FILES = {"CSV": to_csv, "Parquet": to_parquet}
in_memory = pytest.mark.parametrize("convert", IN_MEMORY.values(), ids=IN_MEMORY)


@pytest.fixture(scope="module")
def detector():
    return KNN(alpha=0.2, random_state=0).fit(TRAIN, column_types=TYPES)


@pytest.fixture(scope="module")
def expected(detector):
    return detector.anomaly_score(NEW)


@in_memory
def test_a_fit_on_any_table_has_the_roles_and_scores_of_the_others(convert, detector, expected):
    found = KNN(alpha=0.2, random_state=0).fit(convert(TRAIN), column_types=TYPES)
    assert found.columns_ == detector.columns_ == tuple(LEARNED) and [*found.feature_names_in_] == LEARNED
    assert found.column_roles_ == ROLES and found.n_features_in_ == 3
    assert np.array_equal(found.anomaly_score(convert(NEW)), expected)


@pytest.mark.parametrize("write", FILES.values(), ids=FILES)
def test_a_fit_on_a_file_has_the_roles_and_scores_of_the_others(write, expected, tmp_path):
    data = read(write(TRAIN, tmp_path), column_types=TYPES)
    assert data.carried.to_pydict() == {"key": TRAIN["key"].tolist()} and data.labels.tolist() == TRAIN["y"].tolist()
    assert data.roles == ROLES
    found = KNN(alpha=0.2, random_state=0).fit(data)
    assert found.columns_ == tuple(LEARNED) and found.column_roles_ == ROLES
    assert np.array_equal(found.anomaly_score(NEW), expected)


@in_memory
@pytest.mark.parametrize(
    "columns", [LEARNED, [*LEARNED, "key"], ["a", "note", "zip", "b", "y"], [*TRAIN]], ids="-".join
)
def test_columns_with_a_role_may_be_there_or_not(convert, columns, detector, expected):
    assert np.array_equal(detector.anomaly_score(convert(NEW[columns])), expected)


def test_a_model_file_and_an_exported_graph_keep_the_roles(detector, expected, tmp_path):
    detector.save(tmp_path / "m.egbad")
    export(detector, tmp_path / "m.onnx")
    for scorer in (load(tmp_path / "m.egbad"), load(tmp_path / "m.onnx")):
        assert scorer.column_roles_ == ROLES
        assert np.allclose(scorer.anomaly_score(NEW), expected)
    facts = load(tmp_path / "m.egbad").describe()["input"]
    assert (facts["id_columns"], facts["ignored_columns"], facts["label_column"]) == (["key"], ["note"], "y")


def test_a_fit_without_roles_forgets_those_of_an_earlier_one():
    found = KNN(alpha=0.2, random_state=0).fit(TRAIN, column_types=TYPES).fit(TRAIN[["a", "b"]])
    assert found.column_roles_ == ColumnRoles() and "id_columns" not in found.describe()["input"]


def test_a_blend_leaves_the_same_columns_out():
    blend = Blend(parts=["pca", "knn"], alpha=0.2, random_state=0)
    expected = blend.fit(TRAIN[LEARNED], column_types={"zip": "category"}).anomaly_score(NEW[LEARNED])
    assert np.array_equal(blend.fit(TRAIN, column_types=TYPES).anomaly_score(NEW), expected)


@pytest.mark.parametrize("types", [{"keys": "id"}, {"zap": "category"}, {"note_": "ignore"}])
def test_a_name_that_is_no_column_is_refused_by_the_fit(types):
    (name,) = types
    with pytest.raises(InvalidInputError, match=f"There is no column '{name}'. Did you mean"):
        KNN().fit(TRAIN[["a", "b", "key", "note", "zip"]], column_types=types)
    with pytest.raises(InvalidInputError, match="There is no column"):
        KNN().fit(np.zeros((20, 2)), column_types=types)


def test_columns_that_cannot_be_converted_may_be_left_out():
    frame = TRAIN.assign(nested=[[i] for i in range(len(TRAIN))])
    with pytest.raises(InvalidInputError, match="'nested' of type"):
        KNN().fit(frame, column_types=TYPES)
    types = TYPES | {"nested": "ignore"}
    for table in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        assert KNN(alpha=0.2).fit(table, column_types=types).columns_ == tuple(LEARNED)


def test_detect_fit_predict_and_tune_take_roles(expected):
    learner = KNN(alpha=0.2, random_state=0)
    found, same = (detect(frame, learner, n_folds=2, column_types=types) for frame, types in _with_and_without_roles())
    assert np.array_equal(found.decision_scores_, same.decision_scores_)
    labels = [learner.fit_predict(frame, n_folds=2, column_types=types) for frame, types in _with_and_without_roles()]
    assert np.array_equal(*labels) and learner.columns_ == tuple(LEARNED)
    tuned = tune(TRAIN, "knn", n_trials=1, n_folds=2, column_types=TYPES, fixed_params={"alpha": 0.2}).detector
    assert tuned.column_roles_ == ROLES and np.array_equal(tuned.anomaly_score(NEW), expected)


def _with_and_without_roles():
    return (TRAIN, TYPES), (TRAIN[LEARNED], {"zip": "category"})


@pytest.mark.parametrize("method", ["anomaly_score", "predict", "p_value", "explain"])
def test_warnings_about_columns_name_the_line_that_called(method, detector):
    with pytest.warns(ColumnsWarning, match="without the columns 'more'") as caught:
        getattr(detector, method)(NEW.assign(more=1.0))
    assert {warning.filename for warning in caught} == {__file__}
    with pytest.warns(DataQualityWarning, match="look like ids.*'key'") as caught:
        KNN(alpha=0.2).fit(TRAIN[["a", "key"]])
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize(
    "convert", [pd.DataFrame, pl.from_pandas, pa.Table.from_pandas], ids=["pandas", "polars", "Arrow"]
)
def test_at_least_one_column_is_left_to_learn(convert):
    frame = convert(TRAIN[["key", "note"]])
    with pytest.raises(InvalidInputError, match="At least one column must be left to score, got .*: 'key', 'note'"):
        KNN().fit(frame, column_types={"key": "id", "note": "ignore"})
