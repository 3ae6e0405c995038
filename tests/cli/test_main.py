"""Exit codes and messages of the entry point."""

import os
import subprocess
import sys

import pytest

MISTAKES = {
    "command": (("scroe",), "Did you mean 'score'"),
    "data command": (("data", "lst"), "Did you mean 'list'?"),
    "option": (("fit", "x.csv", "--mebmers", "2"), "no option '--mebmers'. Did you mean '--members'?"),
    "missing argument": (("score",), "Missing argument 'MODEL'"),
    "no integer": (("fit", "x", "--out", "o", "--seed", "one"), "Invalid value for '--seed'"),
    "option of another command": (
        ("detect", "x.csv", "--alpha", "2"),
        "There is no option '--alpha'. See 'egbad detect",
    ),
    "data set": (("data", "get", "mnsit"), "no data set 'mnsit'. Did you mean 'mnist'?"),
    "data set to fit": (("fit", "digts", "--out", "o"), "Did you mean 'digits'?"),
    "detector": (("fit", "digits", "--out", "o", "--detector", "egbda"), "Did you mean 'egbad'?"),
    "setting": (("fit", "digits", "--out", "o", "--set", "training.setps=3"), "Did you mean 'training.steps'?"),
    "setting without value": (("fit", "digits", "--out", "o", "--set", "steps"), "NAME=VALUE"),
    "setting of a wrong type": (
        ("fit", "digits", "--out", "o", "--detector", "egbad", "--set", "members=two"),
        'members must be a whole number, got "two"',
    ),
    "setting out of range": (
        ("fit", "digits", "--normal", "5", "--out", "o", "--set", "training.batch_size=0"),
        "batch_size",
    ),
    "alpha": (("fit", "digits", "--normal", "5", "--out", "o", "--alpha", "1.5"), "alpha must be in (0, 1), got 1.5"),
    "label column of a data set": (("fit", "digits", "--out", "o", "--label-column", "y"), "Omit it"),
    "folder to write to": (("fit", "digits", "--out", "nowhere/o"), "no folder 'nowhere'"),
    "suffix": (("score", "m", "d", "--out", "o.xlsx"), ".csv, .parquet, .jsonl"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_mistakes_are_described_in_one_sentence(kind, refuse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, words = MISTAKES[kind]
    assert words in refuse(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_the_message_for_a_wrong_command_line_names_the_help_page(refuse):
    assert refuse("fit", "x.csv", "--mebmers", "2").endswith("See 'egbad fit --help'.")


def test_a_bug_is_reported_in_one_line_and_traced_on_demand(run, folder, monkeypatch):
    def fail(*_):
        raise KeyError("slip")

    monkeypatch.setattr("egbad.loading.load", fail)
    monkeypatch.delenv("EGBAD_DEBUG", raising=False)
    code, _, err = run("info", folder / "m.egbad")
    assert code == 1
    assert err.startswith("This is a bug in egbad (KeyError: 'slip'")
    assert err.count("\n") == 1
    monkeypatch.setenv("EGBAD_DEBUG", "1")
    assert "Traceback" in run("info", folder / "m.egbad").err


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "cache"), "Cannot use cache: Permission denied."),
        (MemoryError(), "not enough memory"),
    ],
)
def test_errors_of_the_system_are_errors_of_the_user(error, words, refuse, folder, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr("egbad.loading.load", fail)
    assert words in refuse("info", folder / "m.egbad")


def test_a_keyboard_interrupt_is_one_line(run, folder, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("egbad.loading.load", interrupt)
    code, out, err = run("info", folder / "m.egbad")
    assert (code, out, err) == (130, "", "Interrupted: no output was written.\n")


def test_a_warning_is_one_line_without_a_file_name(run, folder):
    given = ("score", folder / "m.egbad", folder / "mixed.csv", "--label-column", "y")
    code, _, err = run(*given, "--alpha", "0.001")
    assert code == 0
    assert err.startswith("Warning: alpha=0.001 needs at least 999 calibration rows, got 30")
    assert "cli" not in err.splitlines()[0]
    assert len(err.splitlines()) == 2


def imported_by(*arguments):
    """Modules that a command imports."""
    code = (
        f"import sys; from egbad.cli import main; code = main({list(map(str, arguments))!r});"
        "print('IMPORTED', *sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True, env=os.environ)
    return done.stdout, set(done.stderr.rpartition("IMPORTED ")[2].split())


def test_help_imports_nothing_heavy():
    out, modules = imported_by("--help")
    assert "evaluate" in out
    assert not modules & {"torch", "sklearn", "scipy", "pyarrow", "pydantic", "numpy"}


def test_a_score_imports_what_it_needs_and_no_more(folder, tmp_path, run, quick):
    model = tmp_path / "m.egbad"
    assert run("fit", folder / "normal.npz", "--out", model, "--detector", "egbad", *quick, "--quiet").code == 0
    _, modules = imported_by("score", model, folder / "mixed.npz")
    packages = {name.split(".")[1] for name in modules if name.startswith("egbad.")}
    assert not packages & {"benchmark", "datasets", "distributed", "report", "tuning"}
    assert not modules & {
        "egbad.detectors.alad",
        "egbad.cli.tables",
        "sklearn.cluster",
        "onnxruntime",
        "optuna",
        "ray",
        "matplotlib",
    }


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "egbad", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("egbad ")
