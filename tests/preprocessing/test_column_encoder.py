"""Tables of any kinds: every value is a number, every number has its columns, and what was never seen stands out."""

import json
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egbad import load
from egbad.data import Data, as_data, open_stream, read
from egbad.data.column_types import BOOLEAN, CATEGORY, MAX_KNOWN_LEVELS, NUMBER, TIME, category_code
from egbad.detectors.registry import create
from egbad.errors import InvalidInputError
from egbad.export.to_onnx import export
from egbad.preprocessing.column_encoder import DAY, MAX_BUCKETS, MAX_ONE_HOT_LEVELS, ColumnEncoder, TableEncoder
from egbad.preprocessing.row_encoder import SCALINGS, UNSEEN_MISSING_DEVIATIONS, RowEncoder
from egbad.scoring.metrics import auroc

N = 400


def traffic(n=N, seed=0):
    """Connections: a number, a boolean, two categories, a time, a number with gaps and one that is never there."""
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


STRANGE = {
    "a level never seen": ("protocol", "sctp"),
    "a missing category": ("protocol", None),
    "a rare category's new level": ("host", "elsewhere"),
    "a missing number where none was": ("bytes", np.nan),
    "a time of day that never was": ("when", pd.Timestamp("2024-01-20 03:00")),
    "a missing time": ("when", pd.NaT),
    "a value where none ever was": ("void", 3.0),
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


# -- by every door -----------------------------------------------------------------------------------------------------


def test_a_row_has_one_score_by_every_door(fitted, tmp_path):
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


def test_what_was_never_seen_raises_the_score(fitted):
    frame = traffic(50, 1)
    if fitted.name == "isolation_forest":
        return  # it splits where training rows lay: a value of a column that never moved is nothing to it
    usual = fitted.anomaly_score(frame)
    for words, (column, value) in STRANGE.items():
        strange = fitted.anomaly_score(changed(frame, column, value))
        assert np.isfinite(strange).all() and np.median(strange - usual) > 0, words


def test_an_exported_graph_scores_them_alike(fitted, tmp_path):
    if fitted.name == "isolation_forest":
        pytest.skip("it has no graph")
    export(fitted, tmp_path / "m.onnx")
    exported = load(tmp_path / "m.onnx")
    frames = [traffic(50, 1), *(changed(traffic(50, 1), *strange) for strange in STRANGE.values())]
    for frame in frames:
        expected = fitted.anomaly_score(frame)
        assert exported.anomaly_score(frame) == pytest.approx(expected, rel=1e-5, abs=1e-5 * np.abs(expected).mean())


def test_reconstructions_have_the_users_values():
    frame = traffic()
    rebuilt = create("egbad", training__steps=300, random_state=0, alpha=0.05).fit(frame).reconstruct(frame[:9])
    assert rebuilt.shape == (9, 7)
    assert set(rebuilt[:, 2]) <= {"tcp", "udp", "icmp", None}


def test_what_a_model_makes_up_has_the_users_values():
    detector = create("bigan", training__steps=20, random_state=0, alpha=0.05).fit(traffic())
    z = detector.transform(traffic(5, 1))
    for made in (detector.sample(5), detector.inverse_transform(z)):
        assert made.shape == (5, 7) and set(made[:, 2]) <= {"tcp", "udp", "icmp", None}


def test_detectors_are_compared_by_what_columns_hold(tmp_path):
    from egbad.benchmark import jobs, measurement, suites

    data = as_data(traffic(300).drop(columns=["void", "gap"]))
    anomalous = np.random.default_rng(0).random(300) < 0.3
    task = suites.user_task("t.parquet", data, anomalous, tmp_path / "data.npz")
    (job,) = jobs.make_jobs([task], [suites.Variant("knn", "knn", {"alpha": 0.1})], 1)
    line = measurement.measure(job)
    split, _ = task.load(0)
    of_kinds, of_numbers = (
        create("knn", alpha=0.1, random_state=0)
        .fit(Data(split.x_train, column_types=column_types))
        .calibration_scores_.mean()
        for column_types in (data.column_types, None)
    )
    scores = (
        create("knn", alpha=0.1, random_state=0)
        .fit(Data(split.x_train, column_types=data.column_types))
        .anomaly_score(Data(split.x_test, column_types=data.column_types))
    )
    assert line["metrics"]["auroc"] == auroc(scores, split.anomalous)
    assert of_kinds != of_numbers, "the digests of categories would be another answer"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"protocol": 3.0}, None),  # numbers can be categories
        ({"bytes": "many"}, "Column 'bytes' must hold numbers, as it did when the detector was fitted, got categories"),
        ({"protocol": pd.Timestamp("2024-01-01")}, "Column 'protocol' must hold categories, .* got times"),
        ({"when": 7}, "Column 'when' must hold times, .* got numbers"),
        ({"gap": np.inf}, "must be finite or missing, got infinity in row 0, column 'gap'"),
        ({"more": 1}, "unseen at fit time:\n- more\n"),
    ],
)
def test_a_column_that_is_not_what_it_was_is_named(change, words):
    detector = create("knn", alpha=0.05).fit(traffic())
    frame = traffic(5, 1).assign(**change)
    if words is None:
        assert np.isfinite(detector.anomaly_score(frame)).all()
    else:
        with pytest.raises(InvalidInputError, match=words):
            detector.anomaly_score(frame)


def test_an_array_is_what_its_columns_were():
    frame = traffic()
    detector = create("knn", alpha=0.05, random_state=0).fit(frame)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert np.array_equal(detector.anomaly_score(frame.to_numpy(dtype=object)), detector.anomaly_score(frame))


def test_columns_without_names_keep_their_kinds():
    frame = traffic()
    frame.columns = range(7)
    detector = create("knn", alpha=0.05, random_state=0).fit(frame)
    assert detector.columns_ is None and detector.column_types_[2] == CATEGORY
    assert np.isfinite(detector.anomaly_score(frame[:3])).all()


def test_a_table_of_numbers_takes_missing_values():
    x = np.random.default_rng(0).normal(size=(200, 3))
    detector = create("knn", alpha=0.05, random_state=0).fit(x)
    gap = x[:1].copy()
    gap[0, 1] = np.nan
    assert detector.anomaly_score(gap)[0] > detector.anomaly_score(x).max(), "none was missing in training"
    x[::3, 1] = np.nan
    detector = create("knn", alpha=0.05, random_state=0).fit(x)
    assert detector.predict(gap)[0] == 1, "it often was"


def test_the_command_line_takes_a_schema(tmp_path, capsys):
    from egbad.cli import main

    frame = traffic().assign(port=np.random.default_rng(0).choice([22, 80, 443], N))
    frame.to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "schema.json").write_text(json.dumps({"port": "category"}))
    model, out = tmp_path / "m.egbad", tmp_path / "s.csv"
    fit = ["fit", str(tmp_path / "t.csv"), "--out", str(model), "--columns", str(tmp_path / "schema.json")]
    assert main(fit) == 0
    assert "category, 3 levels" in capsys.readouterr().out
    assert main(["score", str(model), str(tmp_path / "t.csv"), "--out", str(out)]) == 0
    assert len(pd.read_csv(out)) == N
    assert main(["info", str(model)]) == 0
    assert "port" in capsys.readouterr().out
    for schema, words in (
        ({"port": "colour"}, "no kind of column 'colour'"),
        ({"prot": "category"}, "no column 'prot'"),
        (["port"], "must hold one object"),
    ):
        (tmp_path / "schema.json").write_text(json.dumps(schema))
        assert main(fit) == 2
        assert words in capsys.readouterr().err


# -- blocks ------------------------------------------------------------------------------------------------------------


def test_levels_beyond_the_limit_share_columns():
    codes = np.array([category_code(str(i)) for i in range(100)])
    x = np.repeat(codes, np.arange(100, 0, -1))
    block = ColumnEncoder.from_training(CATEGORY, x)
    assert (
        len(block.levels) == MAX_ONE_HOT_LEVELS
        and block.n_buckets == MAX_BUCKETS
        and block.width == MAX_ONE_HOT_LEVELS + MAX_BUCKETS + 1
    )
    u = block.encode(codes)
    assert (u.sum(axis=1) == 1).all(), "every level is in one column"
    assert u[:, :MAX_ONE_HOT_LEVELS].sum() == MAX_ONE_HOT_LEVELS and u[:, -1].sum() == 0
    assert block.encode(np.array([category_code("new")]))[0, -1] == 1
    assert np.array_equal(block.decode(u)[:MAX_ONE_HOT_LEVELS], codes[:MAX_ONE_HOT_LEVELS])
    assert np.isnan(block.decode(u)[MAX_ONE_HOT_LEVELS:]).all()


def test_a_million_levels_are_shared():
    rng = np.random.default_rng(0)
    block = ColumnEncoder.from_training(CATEGORY, rng.integers(0, 2**48, 1_000_000).astype(np.float64))
    assert block.width == MAX_ONE_HOT_LEVELS + MAX_BUCKETS + 1 and len(block.known_levels) == 0
    assert "more than 10,000 levels" in block.describe() and MAX_KNOWN_LEVELS == 10_000


def test_times_go_round():
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    times = [noon + timedelta(days=7 * i) for i in range(52)]
    x = as_data(pd.DataFrame({"t": times})).x[:, 0]
    u = ColumnEncoder.from_training(TIME, x).encode(x)
    assert u[:, [0, 1, 3, 4]] == pytest.approx(np.repeat(u[:1, [0, 1, 3, 4]], 52, axis=0), abs=1e-6)
    assert u[0, 0] == pytest.approx(0, abs=1e-6) and u[0, 3] == pytest.approx(-1), "noon is half of a day"
    before = as_data(pd.DataFrame({"t": [datetime(1850, 1, 1)]})).x[:, 0]
    assert before[0] < 0 and np.isfinite(ColumnEncoder.from_training(TIME, x).encode(before)).all()


def test_a_time_is_that_of_its_zone():
    there = pd.DataFrame({"t": pd.to_datetime(["2024-01-01 09:00"]).tz_localize("Asia/Tokyo")})
    assert as_data(there).x[0, 0] % DAY == 9 * 3600


column_types = st.lists(st.sampled_from([NUMBER, BOOLEAN, CATEGORY, TIME]), min_size=1, max_size=5)


@given(column_types, st.integers(0, 2**31), st.floats(0, 1))
def test_any_table_is_encoded_without_gaps(chosen, seed, share):
    rng = np.random.default_rng(seed)
    x = np.where(rng.random((30, len(chosen))) < share, np.nan, rng.integers(0, 5, (30, len(chosen)))).astype(float)
    encoder = RowEncoder(column_types=chosen).fit(x)
    u = encoder.encode(x)
    assert u.shape == (30, encoder.width) and np.isfinite(u).all()
    assert np.array_equal(RowEncoder(column_types=chosen).restore(encoder.state()).encode(x), u)
    back = encoder.decode(u)
    known = [j for j, kind in enumerate(chosen) if kind != TIME]
    assert back[:, known] == pytest.approx(x[:, known], abs=1e-4, nan_ok=True)
    assert np.isfinite(encoder.encode(np.full((2, len(chosen)), np.nan))).all()


def test_blocks_tell_whose_a_column_is():
    blocks = TableEncoder.from_training([NUMBER, CATEGORY], np.array([[1.0, 5.0], [np.nan, 6.0]]))
    assert blocks.source_columns.tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_value_that_was_never_missing_lies_far_out(scaling):
    x = np.random.default_rng(0).normal(3, 2, size=(1000, 1))
    u = RowEncoder(scaling).fit(x)
    spread = u.encode(x).std()
    assert u.encode(np.array([[np.nan]]))[0, 0] == pytest.approx(
        u.encode(x).max() + UNSEEN_MISSING_DEVIATIONS * spread, rel=0.01
    )


def test_how_long_something_took_is_a_number_of_seconds():
    data = as_data(pd.DataFrame({"took": pd.to_timedelta([1.5, None, 60], "s")}))
    assert data.x[:, 0] == pytest.approx([1.5, np.nan, 60], nan_ok=True) and data.column_types is None


def test_times_of_several_zones_are_one_column():
    zones = [datetime(2024, 1, 1, tzinfo=zone) for zone in (UTC, timezone(timedelta(hours=9)))]
    assert as_data(pd.DataFrame({"t": zones})).column_types == (TIME,)


def test_a_table_of_twenty_thousand_columns_is_learned():
    x = np.random.default_rng(0).normal(size=(60, 20_000))
    detector = create("egbad", alpha=0.3, training__steps=2, random_state=0).fit(x)
    assert np.isfinite(detector.anomaly_score(x[:3])).all()
