"""No output of a command destroys a file that the command reads, by any spelling of its path."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from egbad.cli.app import app
from egbad.cli.output_check import check_output_folder, check_outputs
from egbad.datasets import arrhythmia
from egbad.errors import InvalidInputError

# Every command that writes files: its words, with OUT for the output and the name of a file that it reads.
COMMANDS = {
    "fit": (
        "fit normal.csv --columns types.json --init-from m.egbad --out OUT",
        ("normal.csv", "types.json", "m.egbad"),
    ),
    "detect": ("detect normal.csv --columns types.json --out OUT", ("normal.csv", "types.json")),
    "score": ("score m.egbad normal.csv --out OUT", ("normal.csv",)),
    "report": ("report m.egbad page.html --out OUT", ("page.html",)),
    "evaluate": ("evaluate m.egbad mixed.csv --label-column y --report OUT", ("m.egbad", "mixed.csv")),
    "recalibrate": ("recalibrate m.egbad mixed.csv --out OUT", ("m.egbad", "mixed.csv")),
    "tune": ("tune normal.csv --out OUT", ("normal.csv",)),
    "export": ("export graph.onnx --out OUT", ("graph.onnx",)),
    "demo": ("demo --out OUT", ()),
    "compare": ("compare results.md --out .", ("results.md",)),
    "benchmark": ("benchmark digits --out .", ()),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with a file of each name that the commands read."""
    for name in {name for _, read in COMMANDS.values() for name in read}:
        (tmp_path / name).write_text(f"content of {name}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spell(path, spelling):
    """Return another path of the same file."""
    if spelling == "same":
        return path.name
    if spelling == "relative":
        return os.path.join(".", "..", path.parent.name, path.name)
    link = path.with_name(f"link{path.suffix}")
    (link.symlink_to if spelling == "symbolic link" else link.hardlink_to)(path)
    return link.name


def test_every_command_that_writes_files_is_tested():
    commands = typer.main.get_command(app).commands
    options = {name: {option for p in command.params for option in p.opts} for name, command in commands.items()}
    assert {name for name, known in options.items() if known & {"--out", "--report"}} == set(COMMANDS)


@pytest.mark.parametrize("spelling", ["same", "relative", "symbolic link", "hard link"])
@pytest.mark.parametrize(("command", "name"), [(words, name) for words, read in COMMANDS.values() for name in read])
def test_an_output_that_is_an_input_is_refused_before_any_work(here, refuse, command, name, spelling):
    before = {path: path.read_text() for path in here.iterdir()}
    if "OUT" in command:
        command = command.replace("OUT", spell(here / name, spelling))
    message = refuse(*command.split())
    assert "must not be a file that the command reads, got " in message and message.endswith("Choose another output.")
    assert {path: path.read_text() for path in before} == before


def test_a_table_of_the_data_or_a_new_one_among_them_is_refused(here, refuse):
    (here / "days" / "1").mkdir(parents=True)
    (here / "days" / "1" / "a.csv").write_text("x\n1\n")
    (here / "linked").symlink_to(here / "days")
    for data in ("days", "days/**/*.csv", "days/*/*.csv", "linked", "linked/1"):
        for out in ("days/1/a.csv", "days/1/new.csv", "linked/1/new.csv"):
            assert "must " in refuse("score", "m.egbad", data, "--out", out), (data, out)
        assert "outside of the data" in refuse("score", "m.egbad", "days", "--out", "days/scores")
    check_outputs({"--out": here / "days" / "report.html"}, {"DATA": "days"})
    check_outputs({"--out": here / "days" / "new.csv"}, {"DATA": "days/*/*.csv"})
    check_outputs({"--out": here / "new.csv"}, {"DATA": "normal.csv"})


def test_new_scores_may_stand_beside_images_but_not_a_folder_of_parts(image_folder):
    check_outputs({"--out": image_folder / "scores.csv"}, {"DATA": str(image_folder)})
    with pytest.raises(InvalidInputError, match="must be outside of the data"):
        check_output_folder("--out", image_folder / "parts", ["part-00000.parquet"], {"DATA": str(image_folder)})


def test_two_outputs_must_differ(here):
    with pytest.raises(InvalidInputError, match=r"--out and --report must name different files, got 'new' for both"):
        check_outputs({"--out": here / "new", "--columns": None, "--report": Path("new")}, {})


def test_a_file_of_a_public_data_set_is_refused(tmp_path):
    path = tmp_path / arrhythmia.SOURCE.files[0].path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    with pytest.raises(InvalidInputError, match="which is '.*' of DATA"):
        check_outputs({"--out": path}, {"DATA": "arrhythmia"}, tmp_path)
    check_outputs({"--out": path}, {"DATA": "digits"}, tmp_path)


def test_appending_to_an_input_is_refused(folder):
    before = (folder / "normal.csv").read_bytes()
    code = "import sys; from egbad.cli import main; sys.exit(main())"
    with (folder / "normal.csv").open("ab") as appended:
        command = [sys.executable, "-c", code, "score", "m.egbad", "normal.csv"]
        done = subprocess.run(command, cwd=folder, stdout=appended, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and done.stderr.startswith("standard output must not be a file that the command reads")
    assert (folder / "normal.csv").read_bytes() == before
