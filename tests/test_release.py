"""Files of a release: licences, versions, workflows, reproducible distributions."""

import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = [*PROJECT["dependencies"], *chain.from_iterable(PROJECT["optional-dependencies"].values())]


@pytest.fixture(scope="module")
def licenses():
    specification = importlib.util.spec_from_file_location("licenses", ROOT / "deploy" / "licenses.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_licence_of_each_dependency_is_listed(licenses):
    text = (ROOT / "THIRD_PARTY_LICENSES.md").read_text()
    listed = dict(re.findall(r"^\| ([a-z0-9.-]+) \| (.+?) \| ", text, re.MULTILINE))
    listed.pop("package")
    found = {name: licenses.licence(name) for name in licenses.closure()}
    missing = sorted(found.items() - listed.items())
    assert not missing, f"run 'python deploy/licenses.py > THIRD_PARTY_LICENSES.md': {missing}"
    assert {"torch", "numpy", "fastapi", "onnx", "timm"} <= found.keys() and "pytest" not in found
    assert "not stated" not in listed.values() and "UNKNOWN" not in listed.values()


def test_lower_bounds_exclude_versions_with_known_vulnerabilities():
    text = "\n".join(REQUIREMENTS)
    least = {"pillow": (12, 3), "pyarrow": (23, 0, 1), "onnx": (1, 21), "ray[data]": (2, 56), "starlette": (1, 3, 1)}
    for name, wanted in least.items():
        bounds = re.findall(rf"^{re.escape(name)}>=([\d.]+)", text, re.MULTILINE)
        assert bounds
        assert all(tuple(map(int, bound.split("."))) >= wanted for bound in bounds), name


def test_the_lock_has_versions_within_the_bounds(licenses):
    lock = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    for line in REQUIREMENTS:
        requirement = licenses.Requirement(line)
        if (version := lock.get(licenses.canonicalize_name(requirement.name))) is not None:
            assert requirement.specifier.contains(version), line


def test_workflows_and_templates_are_valid():
    for path in (ROOT / ".github").rglob("*.yml"):
        assert isinstance(yaml.safe_load(path.read_text()), dict), path
    release = (ROOT / ".github/workflows/release.yml").read_text()
    assert "attest-build-provenance" in release and "cyclonedx-py" in release and "pip-audit" in release
    names = {path.stem for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")}
    assert names == {"bug", "feature", "config"}


def test_wheels_are_reproducible(tmp_path):
    contents = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
        subprocess.run(command, check=True, capture_output=True, env={"SOURCE_DATE_EPOCH": "1700000000"})
        (wheel,) = folder.iterdir()
        contents.append(wheel.read_bytes())
    assert contents[0] == contents[1]
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert any(name.endswith("THIRD_PARTY_LICENSES.md") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
