"""The tables of the paper's experiments, from lines of complete and of interrupted runs."""

import json

import pytest
from paper_tables import METHODS, first_reached, kdd99_methods, mnist_digits, runs


def write(folder, lines):
    folder.mkdir(parents=True, exist_ok=True)
    name = "runs.jsonl" if "label" in lines[0] else "egbad.jsonl"
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))


def member(suite, task, epoch, number, value, **more):
    names = ("precision", "recall", "f1", "auroc", "average_precision", "trapezoid")
    line = {"suite": suite, "task": task, "protocol": "clean", "epoch": epoch, "member": number, "score": "sigma"}
    return line | dict.fromkeys(names, value) | {"base_rate": 0.388} | more


def cells(table, first):
    """Return the cells of the only row of a table that begins so."""
    (row,) = [line for line in table.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_digit_shows_the_last_epoch_its_members_and_the_doubts_about_the_published_figure(tmp_path):
    lines = [member("mnist", "mnist, 1 left out", epoch, m, 0.2 * epoch) for epoch in (1, 2) for m in range(3)]
    write(tmp_path, [*lines, member("mnist", "mnist, 1 left out", 2, 3, 0, finite=False)])
    found = cells(mnist_digits(tmp_path), 1)
    assert found[4:7] == ["3", "2 of 100", "0.400 ± 0.000"]
    assert found[9:11] == ["0.287 ± 0.023", "e"]


def test_digits_without_lines_are_named(tmp_path):
    write(
        tmp_path,
        [member("mnist", f"mnist, {digit} left out", 100, 0, 0.5) for digit in range(10) if digit not in (3, 8)],
    )
    table = mnist_digits(tmp_path)
    assert cells(table, "3, 8")[1] == "not run"
    assert cells(table, 4)[5] == "100"


def test_the_papers_table_marks_missing_methods_interrupted_runs_and_doubts(tmp_path):
    lines = [member("kdd99", "kdd99", 35, m, 0.9, protocol="released") for m in (0, 1)]
    write(tmp_path, lines)
    base = {"dataset": "kdd99", "label": "dsebm-e", "protocol": "released", "status": "ok", "f1": 0.7}
    write(tmp_path / "baselines", [base, base | {"f1": 0.9}, base | {"status": "failed"}])
    table = kdd99_methods(tmp_path)
    assert cells(table, "EGBAD, sigma")[2:7] == [
        "0.937 ± 0.044 (spread unverified)",
        "b, d",
        "0.900 ± 0.000 (2, epoch 35 of 50)",
        "not run",
        "as `paper`",
    ]
    assert cells(table, "DSEBM-e")[4:6] == ["0.800 ± 0.141 (2)", "not run"]
    assert len(table.splitlines()) == 2 + len(METHODS)


def test_runs_without_values_were_not_run():
    assert runs([]) == "not run"
    assert runs([0.5], "7 of 50") == "0.500 (1, epoch 7 of 50)"


@pytest.mark.parametrize(("f1", "step"), [([0.9, 0.95, 0.95, 0.95], 20), ([0.95, 0.95, 0.9, 0.95], None)])
def test_the_goal_must_be_met_three_times_in_a_row(f1, step):
    assert first_reached([10, 20, 30, 40], f1, 0.94) == step
