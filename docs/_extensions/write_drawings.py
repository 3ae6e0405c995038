"""Write the drawings of `images/drawings`, or check that they are up to date.

python docs/_extensions/write_drawings.py
python docs/_extensions/write_drawings.py --check     # prints the names of old ones; exit status 1 if there are any
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from choice_drawing import CHOICE, NARROW_CHOICE
from drawing import draw
from flow_drawing import FLOW
from method_drawings import DRAWINGS
from package_drawing import package_drawing

FOLDER = Path(__file__).parents[1] / "images" / "drawings"


def drawings() -> Mapping[str, str]:
    """Return the text of all drawings by name."""
    others = {"flow": FLOW, "which_detector": CHOICE, "which_detector_narrow": NARROW_CHOICE}
    drawn = {name: draw(name, panels) for name, panels in {**DRAWINGS, **others}.items()}
    return drawn | {"packages": package_drawing()}


def main() -> int:
    """Write or check all drawings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="print the names of drawings that are not up to date")
    check = parser.parse_args().check
    FOLDER.mkdir(exist_ok=True)
    texts = drawings()
    files = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.svg")}
    old = sorted(name for name in files.keys() | texts.keys() if files.get(name) != texts.get(name))
    if check:
        print(*old, sep="\n", end="\n" if old else "")
        return int(bool(old))
    for name in files.keys() - texts.keys():
        (FOLDER / f"{name}.svg").unlink()
    for name, text in texts.items():
        (FOLDER / f"{name}.svg").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
