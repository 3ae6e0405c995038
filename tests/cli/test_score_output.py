"""Files of scores."""

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from egbad import data, load
from egbad.cli.score_output import check_score_target, is_folder_target, open_score_table, to_records
from egbad.errors import InvalidInputError
from egbad.scoring.score_tables import OutputColumns, score_columns


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_batches_of_any_size_give_the_same_file(suffix, folder, tmp_path):
    scorer = load(folder / "m.egbad")
    rows = data.read(folder / "mixed.parquet", label_column="y")
    output, tables = OutputColumns(0.0, True, None), []
    for size in (7, 1000):
        path = tmp_path / f"{size}{suffix}"
        with open_score_table(path) as table:
            for start in range(0, len(rows.x), size):
                batch = replace(rows, x=rows.x[start : start + size], labels=None, first_row=start)
                table.write(score_columns(scorer, batch, output))
        tables.append(pyarrow.parquet.read_table(path) if suffix == ".parquet" else path.read_text())
    assert tables[0] == tables[1]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_failure_leaves_the_old_file(suffix, tmp_path):
    path = tmp_path / f"s{suffix}"
    path.write_text("old")

    def fail():
        with open_score_table(path) as table:
            table.write({"score": np.zeros(3)})
            raise InvalidInputError("stop")

    with pytest.raises(InvalidInputError, match="stop"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_numbers_and_booleans_survive_csv(capsys):
    with open_score_table(None) as table:
        table.write({"score": np.array([0.1 + 0.2, np.nan]), "anomaly": np.array([True, False])})
    assert capsys.readouterr().out == "score,anomaly\n0.30000000000000004,true\n,false\n"


def test_missing_numbers_are_null_in_json(tmp_path):
    columns = {"row": np.arange(2), "score": np.array([1.5, np.nan])}
    assert list(to_records(columns)) == [{"row": 0, "score": 1.5}, {"row": 1, "score": None}]
    with open_score_table(tmp_path / "s.jsonl") as table:
        table.write(columns)
    assert json.loads((tmp_path / "s.jsonl").read_text().splitlines()[1]) == {"row": 1, "score": None}


def test_a_path_without_a_suffix_is_a_folder_of_parts(tmp_path):
    assert is_folder_target(tmp_path) and is_folder_target(tmp_path / "scores")
    assert not is_folder_target(tmp_path / "scores.csv")
    check_score_target(tmp_path / "scores")
    check_score_target(tmp_path / "scores.CSV")


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(InvalidInputError, match=".csv, .parquet, .jsonl, got 's.xlsx'"):
        check_score_target(tmp_path / "s.xlsx")
    check_score_target(Path(os.devnull))


def test_text_that_begins_like_a_formula_is_no_formula(tmp_path):
    path = tmp_path / "s.csv"
    cells = np.array(["=1+1", "+x", "-x", "@x", "\tx", "-3.5", "tcp", None], dtype=object)
    with open_score_table(path) as table:
        table.write({"=name": cells, "score": np.arange(-4.0, 4.0)})
    with path.open(newline="") as file:
        read = list(csv.reader(file))
    assert [row[0] for row in read] == ["'=name", "'=1+1", "'+x", "'-x", "'@x", "'\tx", "-3.5", "tcp", ""]
    assert read[1][1] == "-4.0"
