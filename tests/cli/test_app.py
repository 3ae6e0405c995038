"""The root command."""

import pytest


def test_version_is_printed(run):
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith("egbad ")


@pytest.mark.parametrize("arguments", [(), ("data",)])
def test_a_group_without_a_command_prints_its_help(run, monkeypatch, arguments):
    monkeypatch.setenv("LANGUAGE", "en")
    code, out, _ = run(*arguments)
    assert code == 0
    assert "Commands" in out
