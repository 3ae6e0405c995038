"""The choice of a detector: questions, each with the detector to take if the answer is yes."""

from collections.abc import Sequence
from textwrap import fill

from drawing import Arrow, Node, Panel

QUESTIONS = (
    ("May the training rows\nhold anomalies?", 'Blend(recipe="nearest")\negbad detect'),
    ("Are the examples photographs,\nand may a pretrained network be used?", "Blend()\nPatchCore and Gaussian"),
    (
        "Are they images of several kinds of\nnormal things, or in changing light?",
        "Blend()\nContrastive and nearest image",
    ),
    ("Are they aligned images\nof one kind?", "EGBAD(), VAE() or PCA()"),
    ("Are the columns samples of one signal,\nsuch as pixels or bands?", 'Blend(recipe="nearest")'),
    ("Will millions of rows be scored, or is\nan expected row wanted as a reason?", "EGBAD()"),
)
OTHERWISE = "Blend()\nseven scores of distances and columns"


def _choice() -> Panel:
    nodes, arrows = dict[str, Node](), list[Arrow]()
    for i, (question, detector) in enumerate(QUESTIONS):
        y = 0.4 + 1.15 * i
        nodes |= {f"q{i}": Node(3.8, y, question, "step", w=7), f"a{i}": Node(11.4, y, detector, "score", w=5.6)}
        arrows.append(Arrow(f"q{i}", f"a{i}", text="yes"))
        if i:
            arrows.append(Arrow(f"q{i - 1}", f"q{i}", text="no"))
    last = len(QUESTIONS) - 1
    nodes["otherwise"] = Node(3.8, 0.4 + 1.15 * (last + 1), OTHERWISE, "score", w=7)
    return Panel("", nodes, [*arrows, Arrow(f"q{last}", "otherwise", text="no")])


def _narrow_choice() -> Panel:
    """Return the same in the width of a phone: each answer is below its question, beside the way to the next one."""
    nodes, arrows = dict[str, Node](), list[Arrow]()
    for i, (question, detector) in enumerate(QUESTIONS):
        y, answer = 0.55 + 2.4 * i, _wrapped(detector, 24)
        nodes[f"q{i}"] = Node(3, y, fill(question.replace("\n", " "), 33), "step", w=5.8)
        nodes[f"a{i}"] = Node(6.4, y + 1.15, answer, "score", w=4.5)
        arrows.append(Arrow(f"q{i}", f"a{i}", "horizontal", "yes"))
        if i:
            arrows.append(Arrow(f"q{i - 1}", f"q{i}", text="no"))
    last = len(QUESTIONS) - 1
    nodes["otherwise"] = Node(3, 0.55 + 2.4 * (last + 1), _wrapped(OTHERWISE, 33), "score", w=5.8)
    return Panel("", nodes, [*arrows, Arrow(f"q{last}", "otherwise", text="no")])


def _wrapped(text: str, n_letters: int) -> str:
    """Return a text with its long lines wrapped."""
    return "\n".join(fill(line, n_letters) for line in text.split("\n"))


CHOICE: Sequence[Panel] = [_choice()]
NARROW_CHOICE: Sequence[Panel] = [_narrow_choice()]
