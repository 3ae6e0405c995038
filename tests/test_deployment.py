"""The files in `deploy` fit the service: its options, routes, metrics, and exported graphs."""

import importlib.util
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import typer
import yaml

from egbad import EGBAD, TrainingConfig
from egbad.cli.serve import app as serve_app
from egbad.detectors.knn import KNN
from egbad.export import export
from egbad.scoring.drift import DriftMonitor
from egbad.service.auth import required_role
from egbad.service.drift_metrics import DriftCollector
from egbad.service.limits import Capacity
from egbad.service.metrics import Metrics

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
YAML_FILES = sorted([*DEPLOY.rglob("*.yaml"), *DEPLOY.rglob("*.yml")])
HEALTH = re.compile(r"/v2/health/\w+")


def documents(path):
    """The documents of a YAML file."""
    return [*yaml.safe_load_all(path.read_text())]


def text_of(name):
    return (DEPLOY / name).read_text()


def manifests():
    return [document for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")) for document in documents(path)]


def containers(manifest):
    """The containers of a Deployment or a ServingRuntime."""
    spec = manifest["spec"]
    return spec.get("containers", []) or spec.get("template", {}).get("spec", {}).get("containers", [])


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: path.name)
def test_yaml_files_are_valid(path):
    assert documents(path) and None not in documents(path)


def test_options_exist():
    known = {option for parameter in typer.main.get_command(serve_app).params for option in parameter.opts}
    compose = documents(DEPLOY / "compose.yaml")[0]["services"]["egbad"]["command"]
    unit = re.search(r"^ExecStart=(.*)$", text_of("egbad.service"), re.MULTILINE)[1].split()
    entry = json.loads(re.search(r"^ENTRYPOINT (.*)$", text_of("Dockerfile"), re.MULTILINE)[1])
    served = [
        argument for manifest in manifests() for container in containers(manifest) for argument in container["args"]
    ]
    for arguments in (compose, unit, entry, served):
        options = {argument.partition("=")[0] for argument in arguments if argument.startswith("--")}
        assert options and options <= known


def test_health_checks_need_no_token():
    files = ("Dockerfile", "kubernetes/egbad.yaml", "kubernetes/kserve.yaml")
    paths = {path for name in files for path in HEALTH.findall(text_of(name))}
    assert paths == {"/v2/health/live", "/v2/health/ready"}
    assert all(required_role(path) is None for path in paths)


def test_containers_run_without_privileges_on_a_read_only_file_system():
    found = [container for manifest in manifests() for container in containers(manifest)]
    assert len(found) == 2
    for container in found:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}
    services = documents(DEPLOY / "compose.yaml")[0]["services"]
    assert services["egbad"]["read_only"] and services["egbad"]["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", []))


def test_images_have_the_version_of_the_package_and_pinned_bases():
    image = f"egbad:{PROJECT['version']}"
    assert documents(DEPLOY / "compose.yaml")[0]["services"]["egbad"]["image"] == image
    assert {container["image"] for manifest in manifests() for container in containers(manifest)} == {image}
    others = [service["image"] for service in documents(DEPLOY / "compose.yaml")[0]["services"].values()]
    bases = re.findall(r"^FROM (\S+)", text_of("Dockerfile"), re.MULTILINE)
    assert all(re.search(r":v?\d+\.\d+(\.\d+)?", name) for name in (*others, *bases))


def test_the_dockerfile_installs_extras_that_exist_and_ends_as_another_user_than_root():
    extras = re.search(r"'\.\[([\w,-]+)\]'", text_of("Dockerfile"))[1].split(",")
    assert {*extras} <= PROJECT["optional-dependencies"].keys() and "serve" in extras
    assert re.findall(r"^USER (\S+)", text_of("Dockerfile"), re.MULTILINE) == ["10001:10001"]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text_of("Dockerfile"), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert names == {line[1:] for line in text_of("Dockerfile.dockerignore").splitlines() if line.startswith("!")}
    assert all((ROOT / name).exists() for name in names)


def expressions():
    """The queries of the dashboard and of the alerts."""
    panels = json.loads(text_of("grafana/dashboards/egbad.json"))["panels"]
    rules = documents(DEPLOY / "alerts.yml")[0]["groups"][0]["rules"]
    return [target["expr"] for panel in panels for target in panel["targets"]] + [rule["expr"] for rule in rules]


class Trackers:
    """Trackers of one model with a result."""

    def reports(self):
        scorer = KNN(alpha=0.1, random_state=0).fit(np.random.default_rng(0).normal(size=(100, 2)))
        monitor = DriftMonitor(scorer)
        monitor.add(scorer.calibration_scores_[:5])
        yield SimpleNamespace(name="tiles", version="1"), monitor.report()


def test_metrics_of_dashboard_and_alerts_exist():
    metrics = Metrics(Capacity(1, 1))
    metrics.observe_request("/v1/models/{name}/score", 200, 0.1)
    metrics.observe_scores("tiles", "1", 10, 1)
    metrics.observe_batch(1, 10)
    metrics.add(DriftCollector(Trackers()))
    samples = [sample for metric in metrics.registry.collect() for sample in metric.samples]
    labels = {label for sample in samples for label in sample.labels} | {"job", "instance"}  # Prometheus adds two
    text = "\n".join(expressions())
    used = {*re.findall(r"\b(?:egbad|process)_\w+", text)}
    assert len(used) >= 10 and used <= {sample.name for sample in samples}
    by = {name.strip() for group in re.findall(r"\bby \(([^)]*)\)", text) for name in group.split(",")}
    assert by | {*re.findall(r"(\w+)=~?\"", text)} <= labels
    assert ".*/(score|infer)" in text and re.fullmatch(r".*/(score|infer)", "/v1/models/{name}/score")


def test_provisioned_files_lie_where_compose_mounts_them():
    volumes = documents(DEPLOY / "compose.yaml")[0]["services"]["grafana"]["volumes"]
    mounted = dict(volume.split(":")[:2] for volume in volumes if volume.startswith("./"))
    folder = documents(DEPLOY / "grafana/provisioning/dashboards/egbad.yml")[0]["providers"][0]["options"]["path"]
    assert folder in mounted.values() and all((DEPLOY / name).is_dir() for name in mounted)
    source = documents(DEPLOY / "grafana/provisioning/datasources/prometheus.yml")[0]["datasources"][0]
    panels = json.loads(text_of("grafana/dashboards/egbad.json"))["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_is_valid(tmp_path):
    unit = tmp_path / "egbad.service"
    unit.write_text(text_of("egbad.service").replace("/opt/egbad/bin/egbad", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_configuration_for_triton_is_that_of_an_exported_graph(tmp_path):
    spec = importlib.util.spec_from_file_location("write_repository", DEPLOY / "triton" / "write_repository.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=["x", "y", "z"])
    export(EGBAD(training=TrainingConfig(steps=5), alpha=0.2, random_state=0).fit(frame), tmp_path / "ring.onnx")
    written = script.write_repository(tmp_path / "ring.onnx", tmp_path / "models")
    assert written.read_text() == text_of("triton/ring/config.pbtxt")
    assert (written.parent / "1" / "model.onnx").read_bytes() == (tmp_path / "ring.onnx").read_bytes()
