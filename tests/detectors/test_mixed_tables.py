"""Contract of detectors for tables with columns of any type and missing values."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from egbad import load
from egbad.data import open_stream, read
from egbad.data.column_types import CATEGORY
from egbad.detectors.registry import create
from egbad.errors import InvalidInputError
from egbad.export.to_onnx import export

N = 400


def traffic(n=N, seed=0):
    """Return connections: numbers, a boolean, two categories, a time, a column with missing values and an empty one."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 60, n), "D")
    return pd.DataFrame(
        {
            "bytes": rng.lognormal(5, 1, n),
            "ok": rng.random(n) < 0.9,
            "protocol": rng.choice(["tcp", "udp", "icmp"], n, p=[0.7, 0.2, 0.1]),
            "host": [f"h{i}" for i in rng.integers(0, 60, n)],
            "when": start + pd.to_timedelta(rng.integers(8 * 60, 18 * 60, n), "m"),
            "gap": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "void": np.full(n, np.nan),
        }
    )


UNSEEN_VALUES = {
    "an unknown level": ("protocol", "sctp"),
    "a missing category": ("protocol", None),
    "an unknown level of a category with many": ("host", "elsewhere"),
    "a missing number in a column that had none": ("bytes", np.nan),
    "an unknown time of day": ("when", pd.Timestamp("2024-01-20 03:00")),
    "a missing time": ("when", pd.NaT),
    "a value in an empty column": ("void", 3.0),
}


def changed(frame, column, value):
    frame = frame.copy()
    frame[column] = frame[column].astype(object) if value is None else frame[column]
    frame[column] = pd.Series([value] * len(frame), index=frame.index, dtype=frame[column].dtype)
    return frame


@pytest.fixture(scope="module", params=["egbad", "blend", "knn", "isolation_forest", "vae"])
def fitted(request):
    quick = {"training__steps": 300} if request.param in ("egbad", "vae") else {}
    return create(request.param, random_state=0, alpha=0.05, **quick).fit(traffic())


def test_a_row_has_one_score_from_memory_and_from_files(fitted, tmp_path):
    frame = traffic(50, 1)
    expected = fitted.anomaly_score(frame)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    fitted.save(tmp_path / "m.egbad")
    again = load(tmp_path / "m.egbad")
    for detector in (fitted, again):
        assert np.array_equal(detector.anomaly_score(table), expected)
        assert np.array_equal(detector.anomaly_score(pl.from_pandas(frame)), expected)
        for path in (tmp_path / "t.parquet", tmp_path / "t.csv"):
            assert np.array_equal(
                detector.anomaly_score(read(path, column_types=detector.required_column_types)), expected
            )
            parts = [
                detector.anomaly_score(part)
                for part in open_stream(path, column_types=detector.required_column_types).batches
            ]
            assert np.array_equal(np.concatenate(parts), expected)
        assert np.array_equal(detector.anomaly_score(frame[7:8]), expected[7:8])


def test_values_that_training_did_not_show_raise_the_score(fitted):
    frame = traffic(50, 1)
    if fitted.name == "isolation_forest":
        pytest.skip("it splits at training values only, and ignores columns that were constant")
    expected = fitted.anomaly_score(frame)
    for description, (column, value) in UNSEEN_VALUES.items():
        unseen = fitted.anomaly_score(changed(frame, column, value))
        assert np.isfinite(unseen).all() and np.median(unseen - expected) > 0, description


def test_an_exported_graph_gives_the_same_scores(fitted, tmp_path):
    if fitted.name == "isolation_forest":
        pytest.skip("it cannot be exported")
    export(fitted, tmp_path / "m.onnx")
    exported = load(tmp_path / "m.onnx")
    frames = [traffic(50, 1), *(changed(traffic(50, 1), *unseen) for unseen in UNSEEN_VALUES.values())]
    for frame in frames:
        expected = fitted.anomaly_score(frame)
        # Tail probabilities among the training rows are steep: they enlarge the rounding of distances in single precision.
        rounding = 3e-3 if fitted.name == "blend" else 1e-5
        assert exported.anomaly_score(frame) == pytest.approx(
            expected, rel=rounding, abs=rounding * np.abs(expected).mean()
        )


def test_reconstructions_are_in_the_units_of_the_table():
    frame = traffic()
    rebuilt = create("egbad", training__steps=300, random_state=0, alpha=0.05).fit(frame).reconstruct(frame[:9])
    assert rebuilt.shape == (9, 7)
    assert set(rebuilt[:, 2]) <= {"tcp", "udp", "icmp", None}


def test_generated_rows_are_in_the_units_of_the_table():
    detector = create("bigan", training__steps=20, random_state=0, alpha=0.05).fit(traffic())
    z = detector.transform(traffic(5, 1))
    for made in (detector.sample(5), detector.inverse_transform(z)):
        assert made.shape == (5, 7) and set(made[:, 2]) <= {"tcp", "udp", "icmp", None}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"protocol": 3.0}, None),  # numbers can be categories
        ({"bytes": "many"}, "Column 'bytes' must hold numbers, as it did when the detector was fitted, got categories"),
        ({"protocol": pd.Timestamp("2024-01-01")}, "Column 'protocol' must hold categories, .* got times"),
        ({"when": 7}, "Column 'when' must hold times, .* got numbers"),
        ({"gap": np.inf}, "must be finite or missing, got infinity in row 0, column 'gap'"),
    ],
)
def test_a_column_of_another_type_than_at_fit_time_is_named(change, words):
    detector = create("knn", alpha=0.05).fit(traffic())
    frame = traffic(5, 1).assign(**change)
    if words is None:
        assert np.isfinite(detector.anomaly_score(frame)).all()
    else:
        with pytest.raises(InvalidInputError, match=words):
            detector.anomaly_score(frame)


def test_extra_columns_are_ignored_with_a_warning():
    detector = create("knn", alpha=0.05).fit(traffic())
    with pytest.warns(UserWarning, match="KNN was fitted without the columns 'more' of X and ignores them"):
        found = detector.anomaly_score(traffic(5, 1).assign(more="x"))
    assert np.array_equal(found, detector.anomaly_score(traffic(5, 1)))


def test_an_array_takes_the_column_types_of_the_fitted_table():
    frame = traffic()
    detector = create("knn", alpha=0.05, random_state=0).fit(frame)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert np.array_equal(detector.anomaly_score(frame.to_numpy(dtype=object)), detector.anomaly_score(frame))


def test_columns_without_names_have_types():
    frame = traffic()
    frame.columns = range(7)
    detector = create("knn", alpha=0.05, random_state=0).fit(frame)
    assert detector.columns_ is None and detector.column_types_[2] == CATEGORY
    assert np.isfinite(detector.anomaly_score(frame[:3])).all()


def test_a_missing_number_is_anomalous_only_if_training_had_none():
    x = np.random.default_rng(0).normal(size=(200, 3))
    detector = create("knn", alpha=0.05, random_state=0).fit(x)
    gap = x[:1].copy()
    gap[0, 1] = np.nan
    assert detector.anomaly_score(gap)[0] > detector.anomaly_score(x).max(), "training rows had no missing values"
    x[::3, 1] = np.nan
    detector = create("knn", alpha=0.05, random_state=0).fit(x)
    assert detector.predict(gap)[0] == 1, "missing values were frequent"


def test_a_table_of_twenty_thousand_columns_can_be_fitted():
    x = np.random.default_rng(0).normal(size=(60, 20_000))
    detector = create("egbad", alpha=0.3, training__steps=2, random_state=0).fit(x)
    assert np.isfinite(detector.anomaly_score(x[:3])).all()
