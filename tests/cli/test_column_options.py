"""Columns that are left out or carried to the output, on the command line."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egbad.cli.column_options import ColumnOptions
from egbad.errors import InvalidInputError

CUSTOMERS = [f"{i:05}" for i in range(60)]  # a CSV reader that guesses types would drop the zeros


def make_frame(n=60, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n).round(4)
    a[-4:] += 30
    columns = {"customer": CUSTOMERS[:n], "a": a, "b": rng.normal(size=n).round(4), "note": "long text", "y": [0] * n}
    return pd.DataFrame(columns).assign(y=(np.arange(n) >= n - 4).astype(int), day="2024-05-01")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder with training rows and a model that was told of their roles."""
    folder = tmp_path_factory.mktemp("columns")
    make_frame().to_csv(folder / "t.csv", index=False)
    make_frame().to_parquet(folder / "t.parquet", index=False)
    return folder


@pytest.fixture
def model(data, run):
    path = data / "m.egbad"
    if not path.exists():
        roles = ("--drop", "note", "--drop", "day", "--id-column", "customer", "--label-column", "y", "--normal", "0")
        done = run("fit", data / "t.csv", "--out", path, "--detector", "pca", "--alpha", "0.1", "--json", *roles)
        assert done.code == 0, done.err
        facts = json.loads(done.out)["input"]
        assert facts["columns"] == ["a", "b"] and facts["ignored_columns"] == ["note", "day"]
        assert facts["id_columns"] == ["customer"] and facts["label_column"] == "y"
    return path


def read_csv(text):
    return [*csv.DictReader(text.splitlines())]


def test_columns_have_one_role():
    assert ColumnOptions.parse(["a", "a"], None, "all") == ColumnOptions(dropped=("a",), kept=None)
    with pytest.raises(InvalidInputError, match="by --drop or by --id-column, got 'b' in both"):
        ColumnOptions.parse(["a", "b"], ["b"])


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_ids_are_written_to_the_scores_and_nothing_has_to_be_named_again(name, data, model, run):
    done = run("score", model, data / name)
    assert done.code == 0 and "Not used" not in done.err
    rows = read_csv(done.out)
    assert [*rows[0]] == ["row", "customer", "score", "p_value", "anomaly"]
    assert [row["customer"] for row in rows] == CUSTOMERS
    assert all(row["anomaly"] == "true" for row in rows[-4:])


def test_evaluate_takes_the_label_of_the_fit(data, model, run):
    done = run("evaluate", model, data / "t.csv", "--json")
    assert done.code == 0 and json.loads(done.out)["auroc"] == 1.0 and json.loads(done.out)["anomalies"] == 4


def test_another_label_takes_the_place_of_that_of_the_fit(data, model, run, tmp_path):
    make_frame().rename(columns={"note": "z"}).assign(z=lambda frame: 1 - frame["y"]).to_csv(tmp_path / "z.csv")
    done = run("evaluate", model, tmp_path / "z.csv", "--label-column", "z", "--normal", "1", "--json")
    assert done.code == 0 and json.loads(done.out)["auroc"] == 1.0


@pytest.mark.parametrize("suffix", [".html", ".md", ".json"])
def test_reports_show_the_ids(suffix, data, model, run, tmp_path):
    done = run("report", model, data / "t.parquet", "--out", tmp_path / f"r{suffix}")
    assert done.code == 0, done.err
    text = (tmp_path / f"r{suffix}").read_text()
    assert CUSTOMERS[-1] in text and CUSTOMERS[30] not in text
    if suffix == ".json":
        assert {finding["location"]["ids"]["customer"] for finding in json.loads(text)["findings"]} >= {*CUSTOMERS[-4:]}


def test_reports_of_several_batches_show_the_ids_of_the_highest_scores(model, run, tmp_path):
    for name, first in (("1", 0), ("2", 30)):
        make_frame().iloc[first : first + 30].to_parquet(tmp_path / f"{name}.parquet", index=False)
    assert run("report", model, tmp_path, "--out", tmp_path / "r.json", "--top", "4").code == 0
    findings = json.loads((tmp_path / "r.json").read_text())["findings"]
    assert {finding["location"]["ids"]["customer"] for finding in findings} == {*CUSTOMERS[-4:]}
    assert {CUSTOMERS[30 + finding["location"]["row"]] for finding in findings} == {*CUSTOMERS[-4:]}


@pytest.mark.parametrize("given", ["t.csv", "t.parquet"])
@pytest.mark.parametrize("out", ["s.csv", "s.jsonl", "s.parquet", "parts"])
def test_kept_columns_are_joined_to_the_scores_row_by_row(given, out, data, model, run, tmp_path):
    options = ("--keep-columns", "b,note", "--batch-size", "16")
    assert run("score", model, data / given, "--out", tmp_path / out, *options).code == 0
    if out == "s.csv":
        found = pd.read_csv(tmp_path / out, dtype={"customer": str})
    elif out == "s.jsonl":
        found = pd.DataFrame(map(json.loads, (tmp_path / out).read_text().splitlines()))
    else:
        found = pq.read_table(tmp_path / out).to_pandas()
    assert [*found.columns[:4]] == ["row", "customer", "b", "note"]
    assert found["customer"].astype(str).tolist() == CUSTOMERS and set(found["note"]) == {"long text"}
    assert np.array_equal(found["b"].astype(float), make_frame()["b"])


def test_all_columns_are_kept_as_they_are_in_the_file(model, run, tmp_path):
    lines = ["a,b,city,customer", "1.50,-0.5,=x,007", "1e1,NA,,008"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    done = run("score", model, tmp_path / "t.csv", "--keep-columns", "all")
    assert done.code == 0 and "Not used" not in done.err
    first, second = read_csv(done.out)
    assert (first["a"], first["b"], first["city"], first["customer"]) == ("1.50", "-0.5", "'=x", "007")
    assert (second["a"], second["b"], second["city"]) == ("1e1", "NA", "")


def test_values_of_any_type_are_kept(model, run, tmp_path):
    times = pa.array([0, None], pa.timestamp("ns", tz="UTC"))
    lists, numbers = pa.array([[1, 2], None]), pa.array([float("inf"), float("nan")])
    table = pa.table({"a": [0.0, 1.0], "b": [0.0, 1.0], "t": times, "l": lists, "x": numbers, "n": [2**60, None]})
    pq.write_table(table, tmp_path / "t.parquet")
    done = run("score", model, tmp_path / "t.parquet", "--keep-columns", "t,l,x,n", "--json")
    assert done.code == 0, done.err
    first, second = json.loads(done.out)["scores"]
    assert (first["t"][:19], first["l"], first["x"], first["n"]) == ("1970-01-01 00:00:00", "[1, 2]", "inf", 2**60)
    assert [second[name] for name in "tlxn"] == [None] * 4
    assert (
        run("score", model, tmp_path / "t.parquet", "--keep-columns", "all", "--out", tmp_path / "s.parquet").code == 0
    )
    assert pq.read_table(tmp_path / "s.parquet").select(table.column_names).schema.equals(table.schema)


def test_detect_writes_ids_and_kept_columns(data, run):
    options = ("--id-column", "customer", "--drop", "day", "--keep-columns", "note", "--label-column", "y")
    done = run("detect", data / "t.parquet", "--detector", "pca", "--folds", "2", *options)
    assert done.code == 0, done.err
    rows = read_csv(done.out)
    assert [*rows[0]][:3] == ["row", "customer", "note"]
    assert [row["customer"] for row in rows] == CUSTOMERS and [int(row["row"]) for row in rows] == [*range(60)]


@pytest.mark.parametrize("options", [(), ("--out", "parts")], ids=["stdout", "folder"])
def test_kept_columns_must_not_have_the_names_of_scores(options, data, model, refuse, tmp_path):
    make_frame().assign(p_value=1.0).to_parquet(tmp_path / "t.parquet", index=False)
    options = [tmp_path / word if word == "parts" else word for word in options]
    message = refuse("score", model, tmp_path / "t.parquet", "--keep-columns", "p_value", *options)
    assert "must have names of their own, got 'p_value', which is a column of the scores" in message


def test_a_kept_column_must_not_be_called_discovery(data, model, refuse, tmp_path):
    make_frame().assign(discovery=1.0).to_parquet(tmp_path / "t.parquet", index=False)
    assert "got 'discovery'" in refuse(
        "score", model, tmp_path / "t.parquet", "--fdr", "0.1", "--keep-columns", "discovery"
    )


@pytest.mark.parametrize("option", ["--drop", "--id-column", "--keep-columns"])
def test_named_columns_must_exist(option, data, model, folder, image_folder, refuse):
    for name in ("t.csv", "t.parquet"):
        assert "There is no column 'nope'. Did you mean 'note'?" in refuse("score", model, data / name, option, "nope")
    for path in (folder / "normal.npz", image_folder):
        command = ("detect", path, "--detector", "pca", option, "a")
        assert "Only the columns of tables have names, got the name 'a'" in refuse(*command)


def test_a_type_or_role_that_does_not_exist_is_refused(data, refuse, tmp_path):
    (tmp_path / "schema.json").write_text('{"customer": "ignored"}')
    command = ("fit", data / "t.csv", "--out", tmp_path / "m.egbad", "--columns", tmp_path / "schema.json")
    assert "There is no column type 'ignored'. Did you mean 'ignore'? Known: boolean, category, id" in refuse(*command)


def test_a_column_that_was_learned_cannot_be_dropped(data, model, refuse):
    assert "yet now missing: a" in refuse("score", model, data / "t.csv", "--drop", "a")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_extra_columns_and_another_order_are_noted_once(suffix, data, model, run, tmp_path):
    frame = make_frame()[["b", "y", "a"]].assign(more=[[1]] * 60 if suffix == "parquet" else "x", other=1.0)
    for i in range(2):
        part = frame.iloc[i * 30 : i * 30 + 30]
        path = tmp_path / "days" / f"{i}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        part.to_parquet(path, index=False) if suffix == "parquet" else part.to_csv(path, index=False)
    done = run("score", model, tmp_path / "days")
    assert done.code == 0, done.err
    assert done.err.count("Not used, because the model was fitted without them: 'more', 'other'.") == 1
    assert done.err.count("The columns have another order than at fit: they are matched by name.") == 1
    found, expected = (read_csv(out) for out in (done.out, run("score", model, data / f"t.{suffix}").out))
    assert [row["score"] for row in found] == [row["score"] for row in expected]


def test_options_of_columns_belong_to_a_folder_of_scores(data, model, run, refuse, tmp_path):
    command = ("score", model, data / "t.parquet", "--out", tmp_path / "s")
    assert run(*command, "--keep-columns", "b").code == 0
    assert run(*command, "--keep-columns", "b").code == 0
    assert "with other options" in refuse(*command)


def test_a_schema_gives_roles(data, run, tmp_path):
    schema = {"customer": "id", "note": "ignore", "day": "ignore", "y": "label", "b": "category"}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    command = ("fit", data / "t.csv", "--out", tmp_path / "m.egbad", "--detector", "knn", "--alpha", "0.1", "--json")
    done = run(*command, "--columns", tmp_path / "schema.json", "--normal", "0")
    assert done.code == 0, done.err
    assert json.loads(done.out)["input"]["columns"] == ["a", "b"] and json.loads(done.out)["rows"] == 56
    assert read_csv(run("score", tmp_path / "m.egbad", data / "t.csv").out)[7]["customer"] == CUSTOMERS[7]


def test_follow_repeats_ids_and_kept_keys(model, run, monkeypatch):
    lines = [{"a": 0, "b": 0, "customer": "A7", "note": "x", "y": 0, "more": 1}, {"a": 0, "b": 0}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    done = run("score", model, "--follow", "--keep-columns", "note")
    first, second = map(json.loads, done.out.splitlines())
    assert (first["customer"], first["note"]) == ("A7", "x") and "y" not in first
    assert first["score"] == second["score"] and "customer" not in second
    assert 'Keys that the model does not use: "more".' in done.err


def test_labels_that_are_not_asked_for_may_differ_between_files(model, run, tmp_path):
    for name, label in (("1", 1), ("2", "bad")):
        make_frame().assign(y=label).to_csv(tmp_path / f"{name}.csv", index=False)
    done = run("score", model, tmp_path, "--keep-columns", "y")
    assert done.code == 0, done.err
    assert {row["y"] for row in read_csv(done.out)} == {"1", "bad"}


def test_columns_are_dropped_for_a_model_without_names(folder, run, tmp_path):
    command = ("fit", folder / "normal.npz", "--out", tmp_path / "m.egbad", "--detector", "pca", "--alpha", "0.1")
    assert run(*command).code == 0
    done = run("score", tmp_path / "m.egbad", folder / "mixed.csv", "--drop", "y", "--id-column", "c")
    assert done.code == 2 and "expecting 3 features" in done.err
    done = run("score", tmp_path / "m.egbad", folder / "mixed.csv", "--drop", "y")
    assert done.code == 0, done.err
    expected = run("score", tmp_path / "m.egbad", folder / "mixed.npz").out
    assert [row["score"] for row in read_csv(done.out)] == [row["score"] for row in read_csv(expected)]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_ids_may_come_from_the_names_of_folders(suffix, run, tmp_path):
    for day in ("05", "06"):
        path = tmp_path / "days" / f"day={day}" / f"part{suffix}"
        path.parent.mkdir(parents=True)
        frame = make_frame(seed=int(day))[["a", "b"]]
        frame.to_parquet(path, index=False) if suffix == ".parquet" else frame.to_csv(path, index=False)
    command = ("fit", tmp_path / "days", "--out", tmp_path / "m.egbad", "--detector", "pca", "--alpha", "0.1", "--json")
    done = run(*command, "--id-column", "day")
    assert done.code == 0 and json.loads(done.out)["input"]["columns"] == ["a", "b"], done.err
    rows = read_csv(run("score", tmp_path / "m.egbad", tmp_path / "days").out)
    assert [row["day"] for row in rows] == ["05"] * 60 + ["06"] * 60


def test_out_of_fold_scores_have_the_ids_and_kept_columns(data, model, run):
    done = run("score", model, data / "t.csv", "--out-of-fold", "--keep-columns", "note")
    assert done.code == 0, done.err
    rows = read_csv(done.out)
    assert [row["customer"] for row in rows] == CUSTOMERS and {row["note"] for row in rows} == {"long text"}
    assert sorted(rows, key=lambda row: -float(row["score"]))[0]["customer"] in CUSTOMERS[-4:]


@pytest.mark.parametrize("command", [("fit", "--out", "m.egbad"), ("detect",)])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_at_least_one_column_is_left_to_learn(command, suffix, folder, refuse):
    drop = [word for name in "abc" for word in ("--drop", name)]
    message = refuse(command[0], folder / f"normal.{suffix}", *command[1:], *drop, "--detector", "knn")
    assert "At least one column must be left to score, got only columns that are ids, labels or left out" in message
