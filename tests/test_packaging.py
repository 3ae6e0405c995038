"""Wheel and source distribution are complete and install into an empty environment."""

import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.metadata import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_the_wheel_contains_all_files_of_the_package(built):
    (wheel,) = built.glob("*.whl")
    names = {*zipfile.ZipFile(wheel).namelist()}
    source = ROOT / "src"
    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert {name for name in files if "__pycache__" not in name and not name.endswith(".pyc")} <= names
    # Files that are not Python, and the migrations, which no module imports.
    for needed in (
        "egbad/py.typed",
        "egbad/report/templates/base.html.jinja",
        "egbad/report/templates/style.css",
        "egbad/benchmark/templates/benchmark.html.jinja",
        "egbad/service/templates/queue.html.jinja",
        "egbad/service/static/pages.css",
        "egbad/service/static/pages.js",
        "egbad/service/static/htmx.min.js",
        "egbad/service/store/migrations/env.py",
        "egbad/service/store/migrations/versions/v0001_items_and_reviews.py",
    ):
        assert needed in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith("tests")]


def test_the_source_distribution_contains_the_tests(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {"/".join(name.split("/")[1:]) for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "src/egbad/py.typed", "tests/detectors/test_contract.py"} <= names
    assert {"deploy/Dockerfile", "deploy/grafana/dashboards/egbad.json"} <= names


def test_the_metadata_names_python_license_extras_and_lower_bounds():
    found = metadata("egbad")
    assert found["Requires-Python"] == ">=3.11"
    assert found["License-Expression"] == "Apache-2.0"
    assert set(found.get_all("Provides-Extra")) == {
        "backbones",
        "bench",
        "demo",
        "hub",
        "onnx",
        "plot",
        "ray",
        "serve",
        "serve-postgresql",
        "timm",
        "tune",
        "dev",
        "docs",
    }
    core = [r for r in found.get_all("Requires-Dist") if "extra ==" not in r]
    assert len(core) == 14
    assert all(">=" in r for r in core)


@pytest.mark.slow
def test_the_wheel_installs_into_an_empty_environment(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    for package in ("torch==2.13.0", str(wheel)):
        subprocess.run([python, "-m", "pip", "install", "--quiet", package], check=True)
    code = (
        "import numpy as np; from egbad import EGBAD, TrainingConfig; x = np.eye(8);"
        "print(EGBAD(training=TrainingConfig(steps=2), alpha=0.5).fit(x).anomaly_score(x).shape)"
    )
    assert subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout == "(8,)\n"
    egbad = tmp_path / "env" / "bin" / "egbad"
    assert "evaluate" in subprocess.run([egbad, "--help"], capture_output=True, text=True, check=True).stdout
