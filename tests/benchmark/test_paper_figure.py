"""The pictures of the paper's experiments, and the check that they show the recorded lines."""

import json

import pytest
from paper_figure import curve_values, digit_values, drawn, update


@pytest.fixture
def lines(tmp_path):
    """Two epochs of two members with the digit 1 left out."""
    folder = tmp_path / "lines"
    folder.mkdir()
    records = [
        {
            **{"suite": "mnist", "task": "mnist, 1 left out", "protocol": "clean", "base_rate": 0.388},
            **{"epoch": epoch, "member": member, "score": score, "average_precision": 0.1 * epoch + 0.02 * member},
        }
        for epoch in (1, 2)
        for member in (0, 1)
        for score in ("fm", "sigma")
    ]
    (folder / "egbad.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def test_bars_show_the_last_epoch_and_mark_doubtful_figures(lines):
    one, zero = digit_values(lines)["1"], digit_values(lines)["0"]
    assert one["epoch"] == 2 and zero["epoch"] is None
    assert one["bars"]["fm"] == {"value": 0.21, "spread": 0.01}
    assert one["bars"]["vae"]["mark"] == "x" and one["bars"]["egbad-sigma"]["mark"] == "!"
    assert zero["bars"]["vae"]["unverified"] and not one["bars"]["vae"]["unverified"]
    assert "fm" not in zero["bars"] and "egbad-sigma" not in zero["bars"]


def test_curves_have_a_line_for_each_member(lines):
    panel = curve_values(lines)["MNIST, 1 left out: average precision"]
    assert panel == {"base_rate": 0.388, "members": [[(1, 0.1), (2, 0.2)], [(1, 0.12), (2, 0.22)]]}


def test_a_picture_is_drawn_when_its_values_change(lines, tmp_path):
    pytest.importorskip("matplotlib")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    both = [pictures / f"{name}.png" for name in ("paper-mnist", "paper-epochs")]
    assert update(pictures, lines, write=False) == both and drawn(both[0]) is None
    assert update(pictures, lines) == both and update(pictures, lines) == []
    record = json.loads((lines / "egbad.jsonl").read_text().splitlines()[-1])
    with (lines / "egbad.jsonl").open("a") as file:
        file.write(json.dumps(record | {"epoch": 3, "average_precision": 0.7}) + "\n")
    assert update(pictures, lines, write=False) == both[:1]
