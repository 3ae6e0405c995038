"""Output on stderr and stdout."""

import os
import subprocess
import sys

import numpy as np
import pytest

from egbad.cli.output import check_writable, json_lines, note, note_skipped, one_line, print_json, silenced
from egbad.errors import EgbadError


def test_a_message_of_several_lines_becomes_one():
    assert one_line("Wrong names\n  here") == "Wrong names. here."
    assert one_line("") == ""


def test_skipped_files_are_listed_up_to_eight(capsys):
    note_skipped([])
    note_skipped([f"{i}.png" for i in range(10)])
    assert capsys.readouterr().err == (
        "Skipped, cannot be read: 0.png, 1.png, 2.png, 3.png, 4.png, 5.png, 6.png, 7.png and 2 more.\n"
    )


def test_silenced_output_is_discarded(capsys):
    with silenced():
        note("hidden")
        print("hidden")
    note("shown")
    assert capsys.readouterr() == ("", "shown\n")


def test_values_are_printed_as_json_lines(capsys):
    with json_lines() as print_line:
        print_line({"a": "é"})
        print_line([1, 2])
    assert capsys.readouterr().out == '{"a": "é"}\n[1, 2]\n'


def test_a_file_that_cannot_be_written_is_refused(tmp_path):
    check_writable(tmp_path / "new.egbad")
    with pytest.raises(EgbadError, match="must be a file"):
        check_writable(tmp_path)
    with pytest.raises(EgbadError, match="There is no folder"):
        check_writable(tmp_path / "none" / "new.egbad")


@pytest.mark.skipif(os.name == "nt", reason="closed pipes behave differently there")
def test_a_reader_that_leaves_early_is_no_error(folder, tmp_path, write_csv):
    path = write_csv(tmp_path / "t.csv", dict(zip("abc", np.zeros((3, 5000)), strict=True)))
    code = "import sys; from egbad.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "score", str(folder / "m.egbad"), str(path)]
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    with process.stderr as err:
        assert "Traceback" not in err.read()
    assert process.wait(timeout=60) == 0


def test_control_characters_are_escaped_as_in_json(capsys):
    with json_lines() as print_line:
        print_line({"a": "\x9b2J\x7fü"})
    print_json({"a": "\u202e"})
    note("name\x1b[31m\r")
    out, err = capsys.readouterr()
    assert out == '{"a": "\\u009b2J\\u007fü"}\n{\n  "a": "\\u202e"\n}\n' and err == "name\\u001b[31m\\u000d\n"
