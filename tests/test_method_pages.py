"""The pages of the methods: one for each detector, with all parts, code that runs, and drawings that are up to date."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from egbad.detectors.registry import all_detectors

ROOT = Path(__file__).parents[1]
METHODS = ROOT / "docs" / "methods"
PARTS = ("What egbad does differently", "How good it is", "When to use it, and when not", "In code", "References")
FORMULAS = ("Formulas", "The score")  # either
NETWORKS = {"adgan", "alad", "anogan", "bigan", "contrastive", "dagmm", "dsebm", "egbad", "f_anogan", "ganomaly", "vae"}
CODE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def page(name):
    return (METHODS / f"{name}.md").read_text(encoding="utf-8")


def test_every_detector_has_a_page_that_the_index_links():
    pages = {path.stem for path in METHODS.glob("*.md")} - {"index"}
    linked = re.findall(r"\]\((\w+)\.md\)", page("index"))
    listed = re.search(r"```{toctree}\n:hidden:\n\n(.*?)```", page("index"), re.DOTALL)[1].split()
    assert pages == set(all_detectors())
    assert set(linked) >= pages and sorted(listed) == sorted(pages)


@pytest.mark.parametrize("name", sorted(all_detectors()))
def test_a_page_has_all_parts(name):
    text = page(name)
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert [part for part in PARTS if part not in headings] == []
    assert any(heading in headings for heading in FORMULAS) and "$$" in text
    assert f"`egbad.{all_detectors()[name].__name__}`" in text or f"{all_detectors()[name].__name__}`" in text
    assert name not in NETWORKS or f"](../images/drawings/{name}.svg)" in text


@pytest.mark.filterwarnings("ignore::egbad.errors.CalibrationWarning")
@pytest.mark.parametrize("name", sorted(set(all_detectors()) - {"egbad"}))  # `test_documents.py` runs EGBAD's
def test_the_code_of_a_page_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = CODE.findall(page(name))
    assert len(blocks) == 1 and "assert" in blocks[0]
    exec(compile(blocks[0], f"{name}.md", "exec"), {})


# -- drawings ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def extensions(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "_extensions")


@pytest.mark.usefixtures("extensions")
def test_the_drawings_are_up_to_date():
    writer = import_module("write_drawings")
    files = {path.stem: path.read_text(encoding="utf-8") for path in writer.FOLDER.glob("*.svg")}
    texts = writer.drawings()
    old = sorted(name for name in files.keys() | texts.keys() if files.get(name) != texts.get(name))
    assert old == [], "Run `python docs/_extensions/write_drawings.py`."


@pytest.mark.usefixtures("extensions")
def test_the_nodes_of_drawings_do_not_overlap_and_hold_their_text():
    drawings = dict(import_module("method_drawings").DRAWINGS)
    choice = import_module("choice_drawing")
    drawings |= {"wide choice": choice.CHOICE, "narrow choice": choice.NARROW_CHOICE}
    drawings |= {"flow": import_module("flow_drawing").FLOW}
    for name, panels in drawings.items():
        for panel in panels:
            nodes = [*panel.nodes.values()]
            boxes = [(*node.centre, *node.half) for node in nodes]
            assert all(x > a and y > b for x, y, a, b in boxes), name
            assert all(2 * node.half[0] >= node.text_width for node in nodes), name
            for i, (x, y, a, b) in enumerate(boxes):
                for u, v, c, d in boxes[:i]:
                    assert abs(x - u) >= a + c or abs(y - v) >= b + d, (name, panel.title, nodes[i].text)


@pytest.mark.usefixtures("extensions")
def test_the_drawing_of_the_packages_has_all_levels_of_the_architecture():
    text = (ROOT / "tests" / "test_architecture.py").read_text(encoding="utf-8")
    order = [*ast.literal_eval(re.search(r"^LEVELS = ({.*?^})", text, re.DOTALL | re.MULTILINE)[1])]
    packages = import_module("package_drawing")
    units = packages.imports()
    assert set(units) == set(order)
    assert all(order.index(other) < order.index(name) for name, others in units.items() for other in others)
    direct = packages.direct_imports(units)
    assert "nn" in units["detectors"] and "nn" not in direct["detectors"]  # backbones and training import it
