"""`egbad data` from the command line."""

import json

from egbad import datasets


def test_public_data_sets_are_listed(run):
    code, out, _ = run("data", "list", "--json")
    assert code == 0
    assert [entry["name"] for entry in json.loads(out)] == datasets.names()
    code, out, _ = run("data", "list")
    assert code == 0
    assert "kdd99" in out


def test_a_data_set_of_an_installed_package_has_no_files(run):
    code, out, _ = run("data", "get", "digits", "--json")
    assert (code, json.loads(out)) == (0, {"name": "digits", "files": []})
    assert run("data", "get", "digits").err == "There is nothing to fetch: 'digits' comes with an installed package.\n"


def test_files_of_a_data_set_are_printed_one_per_line(run, monkeypatch, tmp_path):
    files = [tmp_path / "a.gz", tmp_path / "b.gz"]
    monkeypatch.setattr(datasets, "fetch", lambda name, folder: files)
    assert run("data", "get", "mnist").out.splitlines() == [str(file) for file in files]
