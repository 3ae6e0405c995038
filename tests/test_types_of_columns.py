"""The same values have the same scores in all types of Arrow, pandas, polars and files."""

import io
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from egbad.cli import main
from egbad.cli.follow import answer_rows
from egbad.data import as_data, read
from egbad.detectors import KNN
from egbad.export import export
from egbad.export.onnx_scorer import OnnxScorer

N = 60
TOKYO = "Asia/Tokyo"


def canonical_values():
    """Return columns as lists of Python values; None is missing."""
    rng = np.random.default_rng(0)
    start, seconds = datetime(2024, 3, 30), [int(second) for second in rng.integers(0, 86_400 * 200, N)]
    columns = {
        "number": (rng.integers(-8, 8, N) / 4).tolist(),
        "whole": rng.integers(0, 100, N).tolist(),
        "flag": (rng.random(N) < 0.3).tolist(),
        "text": rng.choice(["Oslo", "Rome", "Tromsø"], N).tolist(),
        "when": [start + timedelta(seconds=second) for second in seconds],
        "at": [start.replace(tzinfo=UTC) + timedelta(seconds=second) for second in seconds],
        "day": [(start + timedelta(seconds=second)).date() for second in seconds],
        "clock": [(start + timedelta(seconds=second)).time() for second in seconds],
        "took": [timedelta(seconds=second) for second in seconds],
    }
    gaps = {name: rng.random(N) < (0 if name == "whole" else 0.1) for name in columns}
    return {
        name: [None if gap else value for value, gap in zip(values, gaps[name], strict=True)]
        for name, values in columns.items()
    }


VALUES = canonical_values()
WHOLE_TYPES = [
    pa.int64(),
    pa.int32(),
    pa.int16(),
    pa.int8(),
    pa.uint64(),
    pa.uint32(),
    pa.uint16(),
    pa.uint8(),
    pa.float64(),
]
TEXT_TYPES = [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()]
ARROW_TYPES = {
    "number": [pa.float64(), pa.float32(), pa.float16()]
    + [decimal(9, 2) for decimal in (pa.decimal128, pa.decimal256, pa.decimal64, pa.decimal32)],
    "whole": WHOLE_TYPES,
    "flag": [pa.bool_()],
    "text": [*TEXT_TYPES, *(pa.dictionary(index, pa.string()) for index in (pa.int8(), pa.uint64()))],
    "when": [pa.timestamp(unit) for unit in ("us", "s", "ms", "ns")],
    "at": [pa.timestamp("us", tz=zone) for zone in (TOKYO, "UTC", "+05:30", "Europe/Berlin")],
    "day": [pa.date32(), pa.date64()],
    "clock": [pa.time64("us"), pa.time64("ns"), pa.time32("s"), pa.time32("ms")],
    "took": [pa.duration(unit) for unit in ("us", "s", "ms", "ns")],
}
NUMPY_TYPES = {
    "number": ["float64", "float32", "float16", object, pd.SparseDtype(float)],
    "whole": ["int64", "int8", "uint16", "uint64", "float32", object, pd.SparseDtype(int)],
    "flag": [object],
    "text": ["str", object, "category"],
    "when": ["datetime64[ns]", "datetime64[us]", "datetime64[ms]", "datetime64[s]", object],
    "at": [f"datetime64[ns, {TOKYO}]", "datetime64[s, UTC]", "datetime64[us, Europe/Berlin]", object],
    "day": [object, "datetime64[s]"],
    "clock": [object],
    "took": ["timedelta64[ns]", "timedelta64[us]", "timedelta64[ms]", "timedelta64[s]", object],
}
NULLABLE_TYPES = NUMPY_TYPES | {
    "number": ["Float64", "Float32"],
    "whole": ["Int64", "Int32", "Int16", "Int8", "UInt64", "UInt32", "UInt16", "UInt8"],
    "flag": ["boolean"],
    "text": ["string[python]", "string[pyarrow]", "category"],
}
POLARS_TYPES = {
    "number": [pl.Float64, pl.Float32, pl.Decimal(9, 2)],
    "whole": [pl.Int64, pl.Int32, pl.Int16, pl.Int8, pl.UInt64, pl.UInt32, pl.UInt16, pl.UInt8],
    "flag": [pl.Boolean],
    "text": [pl.String, pl.Categorical, pl.Enum(["Oslo", "Rome", "Tromsø", "unused"]), pl.Binary],
    "when": [pl.Datetime(unit) for unit in ("us", "ms", "ns")],
    "at": [pl.Datetime("us", zone) for zone in (TOKYO, "UTC", "Europe/Berlin")],
    "day": [pl.Date],
    "clock": [pl.Time],
    "took": [pl.Duration(unit) for unit in ("us", "ms", "ns")],
}


def arrow_array(values, arrow_type):
    """Convert Python values to an Arrow array of some type."""
    if pa.types.is_decimal(arrow_type):
        values = [None if value is None else Decimal(str(value)) for value in values]
    if pa.types.is_binary(arrow_type) or pa.types.is_large_binary(arrow_type) or pa.types.is_binary_view(arrow_type):
        values = [None if value is None else value.encode() for value in values]
    if pa.types.is_dictionary(arrow_type):
        encoded = pa.array(values, arrow_type.value_type).dictionary_encode()
        return pa.DictionaryArray.from_arrays(encoded.indices.cast(arrow_type.index_type), encoded.dictionary)
    return pa.array(values, arrow_type)


def arrow_table(types):
    """Return the values in one Arrow type per column."""
    return pa.table({name: arrow_array(VALUES[name], arrow_type) for name, arrow_type in types.items()})


def pandas_frame(types):
    """Return the values in one pandas type per column."""
    plain = {name: pd.Series(values, dtype=object) for name, values in VALUES.items()}
    plain["at"] = pd.Series(pd.to_datetime(VALUES["at"], utc=True)).astype(object)
    series = {}
    for name, dtype in types.items():
        is_zoned = isinstance(dtype, str) and name == "at"
        values = pd.Series(pd.to_datetime(VALUES["at"], utc=True)) if is_zoned else plain[name]
        series[name] = values if dtype is object else values.astype(dtype)
    return pd.DataFrame(series)


def arrow_backed_frame(types):
    """Return the values in a pandas frame whose columns are Arrow arrays."""
    return arrow_table(types).to_pandas(types_mapper=pd.ArrowDtype)


def polars_frame(types):
    """Return the values in one polars type per column."""
    columns = {}
    for name, dtype in types.items():
        values = [value.encode() if value and dtype == pl.Binary else value for value in VALUES[name]]
        if isinstance(dtype, pl.Decimal):
            values = [None if value is None else Decimal(str(value)) for value in values]
        if name == "at":
            columns[name] = pl.Series(name, values, pl.Datetime("us", "UTC")).dt.convert_time_zone(dtype.time_zone)
        else:
            columns[name] = pl.Series(name, values, dtype)
    return pl.DataFrame(columns)


BACKED_TYPES = ARROW_TYPES | {"text": TEXT_TYPES[:2] + TEXT_TYPES[3:5]}
LIBRARIES = {
    "arrow": (arrow_table, ARROW_TYPES),
    "numpy": (pandas_frame, NUMPY_TYPES),
    "nullable": (pandas_frame, NULLABLE_TYPES),
    "arrow-backed": (arrow_backed_frame, BACKED_TYPES),
    "polars": (polars_frame, POLARS_TYPES),
}
TABLES = [
    (library, k)
    for library, (_, types) in LIBRARIES.items()
    for k in range(max(len(found) for found in types.values()))
]


def table_of(library, k):
    """Return the values as a table of a library, each column in its k-th type."""
    convert, types = LIBRARIES[library]
    return convert({name: found[k % len(found)] for name, found in types.items()})


@pytest.fixture(scope="module")
def detector():
    """Return a detector that learned from the first types of Arrow."""
    return KNN(random_state=0, alpha=0.2).fit(table_of("arrow", 0))


@pytest.fixture(scope="module")
def expected(detector):
    """Return the scores of the values."""
    return detector.anomaly_score(table_of("arrow", 0))


@pytest.mark.parametrize(("library", "k"), TABLES)
def test_the_same_values_have_the_same_scores_in_all_types(library, k, detector, expected):
    table = table_of(library, k)
    assert detector.anomaly_score(table).tolist() == expected.tolist()
    assert np.array_equal(as_data(table, detector.column_types_).x, as_data(table_of("arrow", 0)).x, equal_nan=True)


@pytest.mark.parametrize(("library", "k"), TABLES)
def test_all_types_can_be_learned_and_explained(library, k, detector, expected):
    table = table_of(library, k)
    again = KNN(random_state=0, alpha=0.2).fit(table)
    assert again.column_types_[:5] == detector.column_types_[:5] and again.columns_ == detector.columns_
    if again.column_types_ == detector.column_types_:  # the zone is the same
        assert again.anomaly_score(table).tolist() == expected.tolist()
    explanation = again.explain(table[:3])
    assert explanation.columns == detector.columns_ and np.isfinite(explanation.shares).all()


def parquet_type(arrow_type):
    """Return a type that Parquet files can hold in place of one that they cannot."""
    if arrow_type in (pa.decimal32(9, 2), pa.decimal64(9, 2)):
        return pa.decimal128(9, 2)
    return arrow_type


@pytest.mark.parametrize("k", range(max(map(len, ARROW_TYPES.values()))))
def test_the_same_values_have_the_same_scores_in_parquet(k, detector, expected, tmp_path):
    table = arrow_table({name: parquet_type(types[k % len(types)]) for name, types in ARROW_TYPES.items()})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    assert detector.anomaly_score(read(tmp_path / "t.parquet")).tolist() == expected.tolist()
    with_types = read(tmp_path / "t.parquet", column_types=detector.required_column_types)
    assert detector.anomaly_score(with_types).tolist() == expected.tolist()


def json_rows():
    """Return the values as JSON objects."""
    text = {
        date: date.isoformat,
        datetime: datetime.isoformat,
        time: time.isoformat,
        timedelta: timedelta.total_seconds,
    }
    rows = (dict(zip(VALUES, row, strict=True)) for row in zip(*VALUES.values(), strict=True))
    return [{name: text.get(type(v), lambda v: v)(v) for name, v in row.items()} for row in rows]


def test_the_same_values_have_the_same_scores_as_json_lines(detector, expected, monkeypatch, capsys):
    lines = "".join(json.dumps(row) + "\n" for row in json_rows())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines.encode()), encoding="utf-8"))
    answer_rows(detector, detector.threshold_, terms=False)
    assert [json.loads(line).get("score") for line in capsys.readouterr().out.splitlines()] == expected.tolist()


def test_the_same_values_have_the_same_scores_by_the_command_line(detector, expected, tmp_path, capsys):
    table = table_of("arrow", 0)
    labels = pa.array(["good"] * (N - 5) + ["bad"] * 5)
    pa.parquet.write_table(table.append_column("label", labels), tmp_path / "t.parquet")
    # CSV has no durations.
    seconds = pa.array([None if value is None else value.total_seconds() for value in VALUES["took"]])
    pa.csv.write_csv(table.set_column(table.column_names.index("took"), "took", seconds), tmp_path / "t.csv")
    detector.save(tmp_path / "m.egbad")
    label = "--label-column", "label"
    for data, options in (("t.parquet", label), ("t.csv", ())):
        out = tmp_path / "s.parquet"
        command = ["score", tmp_path / "m.egbad", tmp_path / data, "--out", out, "--explain", "2", *options]
        assert main([*map(str, command)]) == 0, capsys.readouterr().err
        assert pa.parquet.read_table(out)["score"].to_pylist() == expected.tolist()
    evaluate = ["evaluate", tmp_path / "m.egbad", tmp_path / "t.parquet", *label, "--normal", "good"]
    assert main([*map(str, evaluate)]) == 0, capsys.readouterr().err
    fit = [
        "fit",
        tmp_path / "t.parquet",
        "--detector",
        "knn",
        "--out",
        tmp_path / "n.egbad",
        *label,
        "--normal",
        "good",
    ]
    assert main([*map(str, fit)]) == 0, capsys.readouterr().err


def test_an_exported_graph_has_the_scores_of_all_types(detector, expected, tmp_path):
    export(detector, tmp_path / "m.onnx")
    scorer = OnnxScorer(tmp_path / "m.onnx")
    for library in LIBRARIES:
        assert scorer.anomaly_score(table_of(library, 1)) == pytest.approx(expected, rel=1e-4)
