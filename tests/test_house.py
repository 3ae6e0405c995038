"""The order of the rooms, and what an import costs."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "egbad"
ORDER = [
    *(
        "errors",
        "progress",
        "health",
        "draws",
        "gpu",
        "products",
        "layers",
        "networks",
        "paper_networks",
        "ranks",
        "keeping",
        "training",
        "metrics",
        "calibration",
        "ragged",
        "explanation",
        "causes",
        "columns",
        "blocks",
        "encoding",
        "sources",
        "scoring",
        "runtime",
        "datasets",
    ),
    *(
        "persistence",
        "checkpoints",
        "views",
        "memory",
        "base",
        "games",
        "detectors",
        "blend",
        "tiled",
        "registry",
        "tuning",
        "graph",
        "export",
        "loading",
        "jobs",
        "distributed",
    ),
    *("report", "benchmark", "demo", "cli"),
]


def imported(path):
    """Modules of the package that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name for name in names if name.startswith("egbad."))


FILES = [p for p in sorted(SOURCE.rglob("*.py")) if p != SOURCE / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_only_go_up(path):
    room = path.relative_to(SOURCE).with_suffix("").parts[0]
    for name in imported(path):
        other = name.split(".")[1]
        if other in ORDER:
            assert ORDER.index(other) <= ORDER.index(room), f"{room} imports {other}"


def test_no_detector_imports_another():
    methods = {p.stem for p in (SOURCE / "detectors").glob("*.py")} - {"__init__"}
    for method in methods:
        names = set(imported(SOURCE / "detectors" / f"{method}.py"))
        assert not {n for n in names if n.split(".")[1:2] == ["detectors"] and n.split(".")[2:3] != [method]}


def test_every_room_is_in_the_list():
    rooms = {p.relative_to(SOURCE).with_suffix("").parts[0] for p in FILES}
    assert rooms == set(ORDER)


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, egbad; print(sorted({'torch', 'sklearn', 'pyarrow', 'pydantic', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_model_costs_no_other_methods_imports():
    code = "import sys, egbad.registry as r; r.create('egbad'); print(*(m for m in sys.modules if 'egbad.detectors.' in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "egbad.detectors.egbad\n"


def test_importing_the_package_is_quick():
    def seconds(code):
        times = []
        for _ in range(5):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - started)
        return min(times)

    assert seconds("import egbad") - seconds("pass") < 0.3
