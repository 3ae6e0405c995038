"""The order of the packages, their size, and the cost of importing them."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "egbad"

# The packages and modules of `egbad`, lowest first. A file imports only from its own entry or from one above it in
# this list. CONTRIBUTING.md shows the same list.
LEVELS = {
    "errors": "exceptions and warnings that users see",
    "progress": "progress bars and lines",
    "arrays": "array types, checks of stored arrays, distinct rows",
    "output_files": "files written as a whole or not at all, locks",
    "model_file": "safetensors files with a JSON manifest",
    "nn": "layers, networks and random generators of ensembles",
    "data": "files and objects -> checked rows or images",
    "explain": "attributions per column or pixel, and groups of them",
    "preprocessing": "rows and images <-> network input",
    "scoring": "scores -> thresholds, p-values, metrics, score tables",
    "training": "the training loop, health checks, checkpoints, process groups",
    "backbones": "pretrained networks that map images to feature maps",
    "datasets": "public data sets",
    "detectors": "one method, one file",
    "detection": "anomalies among the rows of one data set, out of fold",
    "plot": "figures of results, heatmaps and their files",
    "report": "evaluation and findings as HTML, Markdown and JSON",
    "export": "ONNX graphs and the scorer that runs them",
    "loading": "a model file of either kind -> a scorer",
    "tuning": "hyperparameter search on the user's own data",
    "distributed": "Ray and torchrun",
    "benchmark": "protocols, suites, published figures",
    "service": "scoring over HTTP, the store of scored items and reviews",
    "integrations": "bridges to services and tools of others",
    "cli": "one file per command",
    "__main__": "python -m egbad",
}
ORDER = list(LEVELS)
MAX_PACKAGES, MAX_MODULES = 16, 10
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_CLASS_LINES = 400, 40, 250
MAX_IMPORTS_IN_FUNCTIONS = 40
BANNED_FIRST_WORDS = {"What", "Whether", "How", "Which", "Who", "So", "As", "Where", "Let", "Of", "That", "Those"}

FILES = sorted(SOURCE.rglob("*.py"))


def module_name(path):
    """Return the dotted name of a source file, without a trailing `__init__`."""
    parts = ("egbad", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in FILES}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def imports(name):
    """Return the modules of the package that a module imports, also inside functions and under TYPE_CHECKING."""
    found = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found |= {full} if full in MODULES else {node.module} & MODULES.keys()
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & MODULES.keys()
    return found - {name}


def code_lines(node):
    """Return the number of lines of a definition, without its docstring."""
    docstring = node.body[0] if ast.get_docstring(node) else None
    return node.end_lineno - node.lineno + 1 - (docstring.end_lineno - docstring.lineno + 1 if docstring else 0)


def definitions(kind):
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, kind):
                yield f"{name}.{node.name}", node


def test_every_package_is_in_the_list_of_levels():
    assert {path.relative_to(SOURCE).with_suffix("").parts[0] for path in FILES} == {*LEVELS, "__init__"}


def test_packages_and_modules_are_few():
    packages = [path for path in SOURCE.iterdir() if (path / "__init__.py").exists()]
    modules = [path for path in SOURCE.glob("*.py") if path.name != "__init__.py"]
    assert len(packages) <= MAX_PACKAGES and len(modules) <= MAX_MODULES


@pytest.mark.parametrize("name", [name for name in MODULES if name != "egbad"])
def test_imports_point_downwards(name):
    own = ORDER.index(name.split(".")[1])
    upward = [other for other in imports(name) if other != "egbad" and ORDER.index(other.split(".")[1]) > own]
    assert not upward


def test_files_import_each_other_without_cycles():
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    reachable = {name: imports(name) - packages for name in MODULES}
    for middle in MODULES:
        for targets in reachable.values():
            if middle in targets:
                targets |= reachable[middle]
    assert [name for name, targets in reachable.items() if name in targets] == []


def test_no_detector_imports_another_method():
    methods = {path.stem for path in (SOURCE / "detectors").glob("*.py")}
    methods -= {"__init__", "methods", "registry", "blend", "blend_images", "blend_maps", "blend_parts", "tiled"}
    for method in methods:
        others = {f"egbad.detectors.{other}" for other in methods - {method}}
        assert not imports(f"egbad.detectors.{method}") & others


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, egbad; print(sorted({'torch', 'sklearn', 'pyarrow', 'pydantic', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_creating_a_detector_imports_no_other_method():
    code = (
        "import sys; from egbad.detectors.registry import create; create('egbad');"
        "print(*(m for m in sys.modules if m.startswith('egbad.detectors.') and m.count('.') == 2))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {name.rpartition(".")[2] for name in done.stdout.split()}
    assert imported & {path.stem for path in (SOURCE / "detectors").glob("*.py")} <= {
        *("egbad", "methods", "registry", "blend", "blend_images", "blend_maps", "blend_parts", "tiled")
    }


def test_files_functions_and_classes_are_short():
    long_files = [name for name, path in MODULES.items() if len(path.read_text().splitlines()) > MAX_FILE_LINES]
    functions = definitions(ast.FunctionDef | ast.AsyncFunctionDef)
    long_functions = [name for name, node in functions if code_lines(node) > MAX_FUNCTION_LINES]
    long_classes = [name for name, node in definitions(ast.ClassDef) if code_lines(node) > MAX_CLASS_LINES]
    assert (long_files, long_functions, long_classes) == ([], [], [])


def test_few_imports_stand_inside_functions():
    inside = [
        f"{name}: {ast.unparse(statement)}"
        for name, function in definitions(ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in ast.walk(function)
        if isinstance(statement, ast.Import | ast.ImportFrom)
    ]
    assert len(inside) <= MAX_IMPORTS_IN_FUNCTIONS, "\n".join(inside)


def test_class_names_are_unique():
    names = Counter(name.rpartition(".")[2] for name, _ in definitions(ast.ClassDef))
    assert [name for name, n in names.items() if n > 1] == []


def test_docstrings_begin_with_a_verb_or_a_noun():
    banned = [
        f"{name}.{getattr(node, 'name', '')}: {docstring.splitlines()[0]}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and (docstring := ast.get_docstring(node))
        and docstring.split()[0].rstrip(",.:") in BANNED_FIRST_WORDS
    ]
    assert banned == []


def test_contributing_shows_the_levels():
    lines = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()
    indented = [line.split(maxsplit=1) for line in lines if line.startswith("    ")]
    assert [(words[0], words[1]) for words in indented if words[0] in LEVELS] == list(LEVELS.items())
