"""The choice of the language of the help."""

import io
import subprocess
import sys

import pytest

from egbad.cli import main


@pytest.mark.parametrize(
    ("environment", "arguments", "title"),
    [
        ({}, [], "Usage: egbad fit"),
        ({"LANG": "ja_JP.UTF-8"}, [], "使い方: egbad fit"),
        ({"LANG": "C", "LC_ALL": "ja_JP.UTF-8"}, [], "使い方: egbad fit"),
        ({"LANG": "ja_JP.UTF-8"}, ["--language", "en"], "Usage: egbad fit"),
        ({}, ["--language", "ja"], "使い方: egbad fit"),
    ],
)
def test_help_is_in_the_language_of_the_option_or_the_locale(run, monkeypatch, environment, arguments, title):
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code, out, _ = run(*arguments, "fit", "--help")
    assert code == 0
    assert title in out


@pytest.mark.parametrize(
    "arguments", [["--language", "ja"], ["--language", "ja", "data"], ["--language", "ja", "--help"]]
)
def test_groups_print_their_help_in_japanese(run, arguments):
    code, out, _ = run(*arguments)
    assert code == 0
    assert "コマンド" in out and "Commands" not in out


def test_an_unknown_language_is_refused(refuse):
    assert "There is no language 'de'. Known: en, ja." in refuse("--language", "de", "fit", "--help")


def test_output_without_japanese_characters_gets_english_help(monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")  # rich writes no ellipsis
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["--language", "ja", "fit", "--help"]) == 0
    output.seek(0)
    assert "Usage: egbad fit" in output.read()


def test_other_outputs_do_not_read_the_japanese_texts():
    code = (
        "import sys; from egbad.cli import main; main(['--version']); print('egbad.cli.japanese_help' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"
