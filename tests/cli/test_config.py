"""`--config FILE` and `egbad config`."""

import os
import re
import subprocess
import sys
import tomllib

import pytest
import typer

from egbad import load
from egbad.cli import fit
from egbad.cli.config_file import read_config

FIT = """\
data = "{folder}/clean.csv"
out = "{folder}/{name}.egbad"
detector = "egbad"
alpha = 0.05
seed = 3
checkpoint-every = 30
missing = ["?", "none"]

[set]
members = 2
training = {{steps = 20}}
"early_stopping.interval" = 10
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "options.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def data(tmp_path, write_csv):
    values = [[float(i % 7), float(i % 5)] for i in range(120)]
    write_csv(tmp_path / "clean.csv", {"a": [row[0] for row in values], "b": [row[1] for row in values]})
    return tmp_path


def test_a_file_gives_the_model_that_the_options_give(data, run, write):
    assert run("fit", "--config", write(FIT.format(folder=data, name="config"))).code == 0
    options = ["--alpha", 0.05, "--seed", 3, "--detector", "egbad", "--missing", "?", "--missing", "none"]
    settings = ["--set", "members=2", "--set", "training.steps=20", "--set", "early_stopping.interval=10"]
    assert run("fit", data / "clean.csv", "--out", data / "options.egbad", *options, *settings).code == 0
    one, other = load(data / "config.egbad"), load(data / "options.egbad")
    assert one.json_parameters() == other.json_parameters() and one.csv_dialect_ == other.csv_dialect_
    assert one.threshold_ == other.threshold_ and one.seeds_ == other.seeds_


def test_options_of_the_command_line_override_the_file(data, run, write):
    path = write(FIT.format(folder=data, name="config"))
    assert run("fit", "--config", path, "--alpha", 0.2, "--out", data / "other.egbad").code == 0
    assert load(data / "other.egbad").alpha == 0.2 and not (data / "config.egbad").exists()


def test_other_commands_take_files_too(folder, run, refuse, write, tmp_path):
    out = tmp_path / "scores.csv"
    path = write(f'data = "{folder / "normal.csv"}"\nout = "{out}"\nexplain = 1\nterms = true')
    assert run("score", folder / "m.egbad", "--config", path).code == 0
    assert {"reason_1", "feature-bagging"} <= {*out.read_text().splitlines()[0].split(",")}
    assert "65535" in refuse("serve", folder / "m.egbad", "--config", write("port = 99999"))
    models = write(f'models = ["{folder / "none.egbad"}"]')
    assert "none.egbad" in refuse("serve", "--config", models)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("alphaa = 3", "has 'alphaa', which is no option of 'egbad fit'. Did you mean 'alpha'?"),
        ("checkpoint_evry = 3", "Did you mean 'checkpoint-every'?"),
        ('config = "other.toml"', "has 'config', which is no option"),
        ("alpha = [0.1, 0.2]", "'alpha' in .* must be a single value, got a list"),
        ("[alpha]\nx = 1", "must be a single value, got a table"),
        ("out = true", "'out' in .* must be a value, not true or false, got True"),
        ("resume = 1", "'resume' in .* must be true or false, got 1"),
        ('alpha = "high"', "Invalid value for '--alpha'"),
        ("alpha 3", "is not a TOML file"),
        ("[set]\nmembrs = 2", "has no parameter 'membrs'. Did you mean 'members'?"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(folder, refuse, write, text, words):
    found = refuse("fit", folder / "normal.csv", "--out", folder / "refused.egbad", "--config", write(text))
    assert re.search(words, found), found


def test_a_file_that_is_not_there_is_named(folder, refuse, tmp_path):
    options = ("--out", folder / "refused.egbad", "--config", tmp_path / "none.toml")
    assert "none.toml' cannot be read: No such file" in refuse("fit", folder / "normal.csv", *options)


def test_the_options_of_a_model_fit_it_again(data, run, write):
    assert run("fit", "--config", write(FIT.format(folder=data, name="first"))).code == 0
    path = write(run("config", "--from", data / "first.egbad").out)
    assert read_config(path) == {
        "detector": "egbad",
        "alpha": 0.05,
        "seed": 3,
        "set": {"members": 2, "training": {"steps": 20}, "early_stopping": {"interval": 10}},
    }
    assert run("fit", data / "clean.csv", "--out", data / "again.egbad", "--config", path).code == 0
    assert load(data / "again.egbad").threshold_ == load(data / "first.egbad").threshold_


def test_the_options_of_tiles_are_those_of_their_detector(run, image_folder, write, tmp_path):
    model, again = tmp_path / "tiled.egbad", tmp_path / "again.egbad"
    options = ("--detector", "egbad", "--tile", 8, "--set", "training.steps=5", "--alpha", 0.2)
    assert run("fit", image_folder, "--out", model, *options).code == 0
    path = write(run("config", "--from", model).out)
    assert read_config(path)["tile"] == 8 and read_config(path)["detector"] == "egbad"
    assert run("fit", image_folder, "--out", again, "--config", path).code == 0
    assert load(again).json_parameters() == load(model).json_parameters()


def test_an_exported_graph_has_no_options(folder, run, refuse, tmp_path):
    pytest.importorskip("onnxscript")
    assert run("export", folder / "m.egbad", "--out", tmp_path / "m.onnx").code == 0
    assert "is an exported graph, which has no options" in refuse("config", "--from", tmp_path / "m.onnx")


def test_the_template_names_all_options_of_fit_and_becomes_a_valid_file(run):
    out = run("config", "--detector", "egbad").out
    names = {line[2:].partition(" = ")[0] for line in out.splitlines() if " = " in line}
    options = {
        max(parameter.opts, key=len).lstrip("-")
        for parameter in typer.main.get_command(fit.app).params
        if parameter.name not in ("config", "help", "as_json", "settings") and "completion" not in parameter.name
    }
    assert options <= names and {"alpha", "out", "members", "n_latent", "delimiter"} <= names
    assert tomllib.loads(out) == {}
    lines = [line[2:] for line in out.splitlines() if " = " in line and "<" not in line]
    assert tomllib.loads("\n".join(dict.fromkeys(lines)))["detector"] == "auto"


@pytest.mark.parametrize(("words", "expected"), [("egbad rec", "recalibrate"), ("egbad fit --mem", "--members")])
def test_the_shell_completes_commands_and_options(words, expected):
    asked = {"_EGBAD_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    command = [sys.executable, "-c", "import sys; from egbad.cli import main; sys.exit(main())"]
    done = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [expected]
