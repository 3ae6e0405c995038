"""The READMEs and the documentation: code runs, links lead somewhere, and the reference is complete."""

import re
import shlex
import sys
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest

from egbad.cli.main import main

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GUIDES = (
    *(
        "backbones",
        "contamination",
        "ensembles",
        "explanations",
        "plots",
        "python",
        "reviews",
        "scores",
        "thresholds",
        "tuning",
    ),
)
RUNNABLE = (
    ["README.md", "README.ja.md", "docs/methods/egbad.md", "docs/architecture.md"]
    + [f"docs/guide/{name}.md" for name in GUIDES]
    + [f"docs/get_started/{name}.md" for name in ("installation", "table", "photographs", "stream", "demo")]
    + [f"docs/howto/{path.name}" for path in sorted((DOCS / "howto").glob("*.md")) if path.stem != "index"]
)
# A block of code, and the indented output of Python code that may follow it.
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```(?:\n\n((?:    [^\n]*\n|\n(?=    ))+))?", re.DOTALL | re.MULTILINE)

# Packages and modules whose public names, those of `__all__`, stand in the reference.
PUBLIC = (
    *("egbad", "egbad.backbones", "egbad.data", "egbad.datasets", "egbad.detectors", "egbad.explain", "egbad.export"),
    *("egbad.integrations", "egbad.plot", "egbad.preprocessing", "egbad.training"),
)
# Modules without `__all__` whose functions and classes are all public.
WHOLE = ("egbad.detection", "egbad.loading", "egbad.tuning", "egbad.distributed", "egbad.scoring.drift")


def read(path):
    return path.read_text(encoding="utf-8")


def run_commands(block, monkeypatch):
    """Run the lines of a block that begin with "$ ", each of which calls `egbad`. Return the other lines."""
    for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
        command, _, source = line.partition(" < ")
        program, *words = shlex.split(command)
        assert program == "egbad"
        if source:
            with open(source, encoding="utf-8") as file, monkeypatch.context() as patch:
                patch.setattr(sys, "stdin", file)
                assert main(words) == 0, line
        else:
            assert main(words) == 0, line
    return re.findall(r"^(?!\$ |$).*$", block, re.MULTILINE)


@pytest.mark.filterwarnings("ignore::egbad.errors.CalibrationWarning")
@pytest.mark.parametrize("name", RUNNABLE)
def test_code_in_documents_runs_and_prints_what_they_show(name, tmp_path, monkeypatch, capsys):
    blocks = BLOCK.findall(read(ROOT / name))
    assert blocks, f"{name} shows no code"
    monkeypatch.chdir(tmp_path)
    names = {}
    for language, block, output in blocks:
        if language == "console":
            shown = run_commands(block, monkeypatch)
            printed = "".join(capsys.readouterr()).splitlines()
            assert [line for line in shown if line not in printed] == []
        else:
            exec(compile(block, name, "exec"), names)
            printed = capsys.readouterr().out
            if name.startswith("docs/howto/") and output:
                assert printed == dedent(output)


# -- links -------------------------------------------------------------------------------------------------------------


def slug(heading):
    """Return the anchor of a heading, as GitHub and MyST make it."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(path):
    return anchors_of(re.sub(r"^```.*?^```", "", read(path), flags=re.DOTALL | re.MULTILINE))


def anchors_of(text):
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


PAGES = [
    ROOT / name for name in ("README.md", "README.ja.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/RESULTS.md")
]
PAGES += sorted(path for path in DOCS.rglob("*.md") if not {"_build", "gallery", "generated"} & set(path.parts))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_to_files_and_headings_lead_somewhere(path):
    broken = []
    for target, anchor in re.findall(r"\]\(([^)\s#:]*)(?:#([^)\s]*))?\)", read(path)):
        file = (path.parent / target).resolve() if target else path
        made = file.is_relative_to(DOCS / "gallery")  # by the build
        if not made and (not file.exists() or (anchor and anchor not in anchors(file))):
            broken.append(f"{target}#{anchor}")
    assert not broken


# -- the reference -----------------------------------------------------------------------------------------------------


def entries():
    """Return the qualified names in the lists of the reference."""
    found, module = set(), ""
    for line in read(DOCS / "reference" / "api.rst").splitlines():
        if match := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = match[1]
        elif match := re.match(r"   (\w+)$", line):
            found.add(f"{module}.{match[1]}")
    return found


def resolve(name):
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def public_names():
    for package in PUBLIC:
        yield from (f"{package}.{name}" for name in import_module(package).__all__)
    for name in WHOLE:
        module = import_module(name)
        own = (key for key, value in vars(module).items() if getattr(value, "__module__", None) == name)
        yield from (f"{name}.{key}" for key in own if not key.startswith("_"))


def test_the_reference_lists_every_public_name():
    listed = [resolve(name) for name in entries()]
    mentioned = set(re.findall(r"``(?:[\w.]*\.)?(\w+)``", read(DOCS / "reference" / "api.rst")))
    missing = [
        name
        for name in public_names()
        if not any(resolve(name) is value for value in listed) and name.rpartition(".")[2] not in mentioned
    ]
    assert missing == []


def test_the_methods_of_the_command_line_are_all_in_the_reference():
    methods = import_module("egbad.detectors").METHODS
    listed = [resolve(name) for name in entries()]
    assert [name for name in methods if methods[name] not in listed] == []


def test_the_reference_shows_public_methods_and_no_others(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "_extensions")
    is_public = import_module("own_members").is_public
    egbad = import_module("egbad").EGBAD
    shown = {name for name in dir(egbad) if not name.startswith("_") and is_public(name, getattr(egbad, name))}
    called = set(re.findall(r"`(?:detector\.|EGBAD\(\)\.)(\w+)\(", read(DOCS / "guide" / "python.md")))
    assert len(called) > 10
    assert called <= shown
    assert shown.isdisjoint({"check_input", "fit_component", "map_checked", "run_identity", "set_score_request"})


def test_the_reference_of_the_command_line_has_every_command(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "_extensions")
    text = import_module("command_pages").markdown()
    commands = re.findall(r"^#+ egbad (.*)$", text, re.MULTILINE)
    assert {"fit", "score", "data", "data get", "demo"} <= set(commands)
    assert "`--alpha RATE`\n: False-alarm rate: the fraction of normal rows that may be flagged." in text
    japanese = import_module("command_pages").markdown("ja")
    assert re.findall(r"^#+ egbad (.*)$", japanese, re.MULTILINE) == commands
    assert "`--alpha RATE`\n: 誤報率。" in japanese


def test_the_reference_of_the_service_has_every_route_and_object(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "_extensions")
    pages = import_module("service_pages")
    schema, text = pages.description(), pages.markdown()
    headings = anchors_of(text)
    routes = [f"{method} {path}" for path, methods in schema["paths"].items() for method in methods]
    assert "post /v1/models/{name}/score" in routes
    assert [route for route in routes if slug(route) not in headings] == []
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= headings
    assert "| `p_value` | number | Share of normal rows with a score as high. |" in text


def test_names_of_the_library_that_documents_mention_exist():
    unknown = set()
    for path in (p for p in PAGES if p.is_relative_to(DOCS) or p.name.startswith("README")):
        for name in re.findall(r"`(egbad(?:\.\w+)+)\b(?!\.)", read(path)):
            if not exists(name):
                unknown.add(f"{path.name}: {name}")
    assert not unknown


def exists(name):
    try:
        resolve(name)
    except (ImportError, AttributeError):
        try:
            import_module(name)
        except ImportError:
            return name.rpartition(".")[2] in ("egbad", "onnx", "md")  # files such as model.egbad
    return True
