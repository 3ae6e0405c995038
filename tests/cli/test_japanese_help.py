"""The Japanese texts of the help are complete and name the same options, and lines break as Japanese does."""

import re

import pytest
import typer
from rich.cells import cell_len

from egbad.cli.app import app
from egbad.cli.japanese_help import paragraphs, read_texts, wrap

WORDS = {"Usage:", "[OPTIONS]", "COMMAND [ARGS]...", "Arguments", "Options", "Commands", "default", "required"}


def help_texts(command, path="egbad"):
    """Yield the help of a command, its parameters and panels, and its subcommands, in paragraphs."""
    context = command.make_context(path, [], resilient_parsing=True)
    yield from paragraphs(command.help)
    for parameter in command.get_params(context):
        yield from paragraphs(parameter.help)
        yield from filter(None, [parameter.rich_help_panel])
    for name, inner in getattr(command, "commands", {}).items():
        yield from help_texts(inner, f"{path} {name}")


def names(text):
    """Return the options, quoted words, numbers, variables and suffixes in a text."""
    return set(re.findall(r"--[a-z][\w-]*|'[^']*'|\d[\d.,]*\d|\$\w+|(?<!\w)\.\w+|[A-Z]{4,}\w*", text))


def test_every_text_of_the_help_is_translated():
    import egbad.cli.main  # noqa: F401 - adds the commands

    english = set(help_texts(typer.main.get_command(app)))
    texts = read_texts()
    assert english - set(texts) == set(), "Add the Japanese texts to src/egbad/cli/japanese.json."
    assert set(texts) - english == WORDS, "Remove the texts that no command has from src/egbad/cli/japanese.json."
    assert [text for text, japanese in texts.items() if not re.search(r"[ぁ-んァ-ン一-龥]", japanese)] == []


def test_translations_name_the_same_options_and_numbers():
    different = {
        text: japanese
        for text, japanese in read_texts().items()
        if names(text) != names(japanese) and text not in WORDS
    }
    assert different == {}


def test_the_help_of_a_command_is_complete(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    code, out, _ = run("--language", "ja", "fit", "--help")
    assert code == 0
    assert "使い方: egbad fit [オプション] {DATA}" in out
    assert "正常な行や画像から学習し、モデルファイルを書き出します。" in out
    assert "--seed <int range>" in out and "乱数シード。同じシードなら同じスコアになります。 [既定値: 0; x>=0]" in out
    assert "書き出すモデルファイル。 [必須]" in out
    assert "CSV ファイル（既定では自動判別）" in out


@pytest.mark.parametrize("width", [10, 20, 33])
def test_lines_break_between_japanese_characters_and_keep_punctuation(width):
    text = "列名と型（number、boolean、category、time）の JSON オブジェクト。ファイル中の型が正しくない列に使います。"
    lines = wrap(text, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(cell_len(line) <= max(width, len("（boolean、") + 2) for line in lines)
    assert not any(line[0] in "、。）ァ" or line[-1] == "（" for line in lines)


def test_narrow_terminals_get_all_of_the_text(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    text = re.sub(r"[\s│]", "", run("--language", "ja", "drift", "--help").out)
    assert "データはメモリより大きくても構いません。" in text
    assert "読み込めない画像とフォルダを飛ばし、一覧を表示します。" in text
