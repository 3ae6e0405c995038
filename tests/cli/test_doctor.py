"""`egbad doctor` from the command line."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from egbad.cli.run_doctor import VARIABLES, cpu_model, describe_installation, requirements

SOURCE = Path(__file__).parents[2] / "src" / "egbad"
INTEL = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Processor\nflags\t\t: fpu sse4_2 avx2 avx512f amx_tile other\n"
ARM = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd aes sve i8mm\n"


def test_the_installation_is_printed_as_json(run):
    code, out, err = run("doctor", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert [*found] == ["versions", "extras", "devices", "environment", "problems"]
    assert found["versions"]["egbad"] == version("egbad")
    assert found["versions"]["torch"] == version("torch") and found["versions"]["scikit-learn"]
    assert found["extras"]["onnx"]["onnxruntime"] == version("onnxruntime")
    assert found["devices"]["torch_threads"] == torch.get_num_threads()
    assert found["devices"]["usable_cores"] <= found["devices"]["cores"]


def test_people_get_plain_text_with_the_same_facts(run, monkeypatch):
    monkeypatch.setenv("EGBAD_DATA", str(Path.home() / "data"))
    code, out, _ = run("doctor")
    assert code == 0
    assert [line for line in out.splitlines() if not line.startswith(" ")] == [
        *("versions", "extras", "devices", "environment", "problems")
    ]
    assert re.search(rf"^  torch +{re.escape(version('torch'))}$", out, re.MULTILINE)
    assert re.search(r"^  torch threads +\d+$", out, re.MULTILINE)
    assert re.search(rf"^  EGBAD_DATA +{re.escape(os.path.join('~', 'data'))}$", out, re.MULTILINE)
    assert out.endswith("problems\n  none found\n")


def test_secrets_and_control_characters_are_not_printed(run, monkeypatch):
    monkeypatch.setenv("EGBAD_TOKEN", "very secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "2\x1b[2J\nproblems")
    for arguments in (("doctor",), ("doctor", "--json")):
        out = run(*arguments).out
        assert "secret" not in out and "EGBAD_TOKEN" in out
        assert "\x1b" not in out
    assert json.loads(out)["environment"]["EGBAD_TOKEN"] == "(set, not shown)"


def test_only_the_variables_that_are_read_are_printed():
    environment = {"EGBAD_CACHE": "/tmp/cache", "PASSWORD": "x"}
    assert describe_installation(environment)["environment"] == {"EGBAD_CACHE": "/tmp/cache"}


def test_all_variables_that_the_sources_read_are_known():
    named = {name for path in SOURCE.rglob("*.py") for name in re.findall(r"EGBAD_[A-Z]+", path.read_text())}
    assert len(named) > 3 and named <= {*VARIABLES}


def test_a_torch_that_cannot_be_imported_is_a_problem(tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise OSError('libtorch_cpu.so: wrong ELF class\\nmore')\n")
    path = os.pathsep.join([str(tmp_path), str(SOURCE.parent)])
    command = [sys.executable, "-m", "egbad", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=True)
    found = json.loads(done.stdout)
    assert found["problems"] == ["torch cannot be imported: OSError: libtorch_cpu.so: wrong ELF class"]
    assert found["versions"]["torch"] == version("torch") and "torch_threads" not in found["devices"]


def test_a_missing_package_is_a_problem_and_a_missing_extra_is_not(run, monkeypatch):
    lines = ["numpy>=2.0", "no-such-core>=1", "no-such-part[x]>=1; extra == 'serve'", "pytest>=8; extra == 'dev'"]
    monkeypatch.setattr("egbad.cli.run_doctor.requires", lambda name: lines)
    found = json.loads(run("doctor", "--json").out)
    assert found["problems"] == ["The package no-such-core is not installed. Install egbad again."]
    assert found["extras"] == {"serve": {"no-such-part": None}}
    assert re.search(r"^  serve +missing: no-such-part$", run("doctor").out, re.MULTILINE)


def test_extras_of_other_platforms_are_left_out(monkeypatch):
    lines = ["uvloop>=0.22; sys_platform != 'win32' and extra == 'serve'", "uvicorn>=0.35; extra == 'serve'"]
    monkeypatch.setattr("egbad.cli.run_doctor.requires", lambda name: lines)
    for platform, expected in (("linux", ["uvloop", "uvicorn"]), ("win32", ["uvicorn"])):
        monkeypatch.setattr("egbad.cli.run_doctor.sys.platform", platform)
        assert requirements() == ([], {"serve": expected})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (INTEL, ("Intel(R) Xeon(R) Processor", ["sse4_2", "avx2", "avx512f", "amx_tile"])),
        (ARM, (None, ["asimd", "i8mm", "sve"])),
        ("", (None, [])),
    ],
)
def test_processors_are_read_from_the_text_of_linux(text, expected):
    assert cpu_model(text) == expected
