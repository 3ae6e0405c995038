"""A value or a name of megabytes is shortened in messages and reports, wherever it comes from."""

import io
import json
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from egbad.cli import main
from egbad.data import as_data, read
from egbad.data.column_types import CATEGORY, describe_value
from egbad.detectors import KNN
from egbad.errors import EgbadError, LearnedRowsWarning, unknown

LONG = "x" * 2_000_000


def frame(n=40, **columns):
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.normal(size=n), "city": rng.choice(["Oslo", "Rome"], n)} | columns)


@pytest.fixture(scope="module")
def detector():
    return KNN(alpha=0.2, random_state=0).fit(frame())


def write_csv(folder, name, header, *rows):
    (folder / name).write_text("\n".join([header, *rows]) + "\n")
    return folder / name


def write_parquet(folder, name, **columns):
    pa.parquet.write_table(pa.table(columns), folder / name)
    return folder / name


READERS = {
    "a cell of CSV": lambda folder: read(write_csv(folder, "t.csv", "a", *map(str, range(20)), LONG)),
    "a typed cell of CSV": lambda folder: read(write_csv(folder, "t.csv", "a", LONG), column_types={"a": "time"}),
    "a name in CSV": lambda folder: read(write_csv(folder, "t.csv", f"{LONG},b", *["1,2"] * 20, "?x,2")),
    "an unknown label column": lambda folder: read(write_csv(folder, "t.csv", f"{LONG},b", "1,2"), label_column="y"),
    "a name in one of two files": lambda folder: [
        write_parquet(folder, "1.parquet", a=[1.0]),
        write_parquet(folder, "2.parquet", a=[1.0], **{LONG: [1.0]}),
        read(folder),
    ],
    "a name in Parquet": lambda folder: read(write_parquet(folder, "t.parquet", **{LONG: [[1.0]]})),
    "a type in Parquet": lambda folder: read(
        write_parquet(folder, "t.parquet", a=pa.array([{LONG: 1}], pa.struct([(LONG, pa.int8())])))
    ),
    "an object of a DataFrame": lambda _: as_data(frame(2, b=[1, LONG])),
    "a name in a DataFrame": lambda _: as_data(pd.DataFrame([[1, 2]], columns=[LONG, LONG])),
    "a type of a DataFrame": lambda _: as_data(frame(2).rename(columns={"a": LONG}), column_types={LONG: "time"}),
    "a text in an array": lambda _: as_data(np.array([[1.0, LONG]], dtype=object)),
    "a text in a list": lambda _: as_data([[1.0, LONG]]),
}


@pytest.mark.parametrize("read_data", READERS.values(), ids=READERS)
def test_an_error_about_data_is_short(read_data, tmp_path):
    with pytest.raises(
        EgbadError, match=r"x+ \.\.\. \(2,\d{3},\d{3} characters\) \.\.\. |array of <U2000000"
    ) as refused:
        read_data(tmp_path)
    assert len(str(refused.value)) < 1000 and "\n" not in str(refused.value)


def test_an_error_about_column_names_is_short(detector):
    others = pd.DataFrame({f"{i}{LONG}": [1.0] for i in range(10)})
    with pytest.raises(EgbadError, match="unseen at fit time:\n- 0xxx") as refused:
        detector.predict(others)
    assert len(str(refused.value)) < 1000


def test_an_unknown_name_is_compared_and_shown_in_short():
    message = str(unknown("column", f"{LONG}1", [f"{LONG}2", "b"]))
    assert message.startswith("There is no column 'xxx") and "Did you mean 'xxx" in message and len(message) < 1000


def test_a_warning_about_extra_columns_is_short(detector):
    with pytest.warns(UserWarning, match="without the columns? 'xxx") as warned:
        detector.anomaly_score(frame(3, **{LONG: 0}))
    assert len(str(warned[0].message)) < 1000


def test_an_answer_to_a_json_line_is_short(detector, tmp_path, monkeypatch, capsys):
    detector.save(tmp_path / "m.egbad")
    lines = [
        {"a": LONG, "city": "Oslo"},
        {"a": 1, "city": [LONG]},
        {LONG: 1},
        [LONG],
        {"id": [LONG], "a": 1, "city": "Oslo"},
    ]
    data = "".join(json.dumps(line) + "\n" for line in [*lines, LONG, {"a": 1, "city": LONG, LONG: 1}])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data.encode())))
    assert main(["score", str(tmp_path / "m.egbad"), "--follow"]) == 0
    out, err = capsys.readouterr()
    *refused, scored = map(json.loads, out.splitlines())
    assert all(len(answer["error"]) < 1000 for answer in refused) and "score" in scored
    assert 'Keys that the model does not use: "xxx' in err and len(err) < 1000


@pytest.mark.parametrize("suffix", ["html", "md"])
def test_a_long_level_is_shortened_in_reports(suffix, detector, tmp_path, capsys):
    detector.save(tmp_path / "m.egbad")
    rows = frame(20)
    rows.loc[3, ["a", "city"]] = 9.0, LONG
    rows.to_parquet(tmp_path / "t.parquet")
    files = [str(tmp_path / name) for name in ("m.egbad", "t.parquet", f"r.{suffix}")]
    assert main(["report", *files[:2], "--out", files[2]]) == 0
    text = (tmp_path / f"r.{suffix}").read_text()
    assert "(2,000,000 characters)" in text and "x" * 1000 not in text
    assert len(capsys.readouterr().err) < 1000


def test_a_long_level_that_was_learned_is_shortened_in_descriptions(tmp_path, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LearnedRowsWarning)
        KNN(alpha=0.2).fit(frame(city=["Oslo", LONG] * 20)).save(tmp_path / "m.egbad")
    for options in ((), ("--all",), ("--json",)):
        assert main(["info", str(tmp_path / "m.egbad"), *options]) == 0
        assert "x" * 1000 not in "".join(capsys.readouterr())
    assert len(describe_value(CATEGORY, LONG)) < 100
