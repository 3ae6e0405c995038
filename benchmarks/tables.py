"""Write the tables of RESULTS.md, the READMEs and docs from JSON lines, or check that they are up to date.

    python benchmarks/tables.py --write
    python benchmarks/tables.py --check     # prints the differences; exit status 1 if there are any

The lines come from the other scripts and from `egbad benchmark`. A table stands between the lines `<!-- table: NAME -->` and
`<!-- end of table -->`. Without names of pages, the pictures of `paper_figure.py` are drawn or checked, too.
"""

import argparse
import re
import sys
from collections.abc import Callable
from difflib import unified_diff
from functools import partial
from pathlib import Path

import accuracy_tables
import adversarial_tables
import design_tables
import method_tables
import paper_figure
import paper_tables
import service_tables
import speed_tables
import summary_tables

ROOT = Path(__file__).parents[1]
NAMES = (
    "benchmarks/RESULTS.md",
    "README.md",
    "README.ja.md",
    "docs/adversarial.md",
    "docs/benchmarks.md",
    "docs/which_detector.md",
)
PAGES = [*(ROOT / name for name in NAMES), *sorted((ROOT / "docs" / "methods").glob("*.md"))]
TABLES: dict[str, Callable[[], str]] = {
    "KDD99, one split": partial(accuracy_tables.kdd99, "kdd99.jsonl"),
    "KDD99, two splits": partial(accuracy_tables.kdd99, "kdd99_two_splits.jsonl"),
    "KDD99, all detectors": accuracy_tables.kdd99_page,
    "KDD99, AnoGAN by sigma": partial(accuracy_tables.detectors, "kdd99"),
    "KDD99, other columns": partial(accuracy_tables.detectors, "as_published"),
    **paper_tables.TABLES,
    **adversarial_tables.TABLES,
    "digits, 5 against 7": partial(accuracy_tables.detectors, "digits"),
    "MNIST, 5 against 7": partial(accuracy_tables.detectors, "five_seven"),
    "MNIST, one digit left out": accuracy_tables.mnist,
    "Blend and its parts": accuracy_tables.blend_parts,
    "colour photographs": accuracy_tables.colour,
    "photographs": accuracy_tables.photographs,
    "CIFAR-10, wide networks": accuracy_tables.wide_networks,
    "pages": accuracy_tables.pages,
    **{
        f"ablation, {name}": partial(design_tables.ablation, name.lower()) for name in ("Blend", "Contrastive", "EGBAD")
    },
    **{
        f"training length, {name}": partial(design_tables.training_length, name.lower())
        for name in ("EGBAD", "Contrastive")
    },
    "members": design_tables.members,
    "contamination": design_tables.contamination,
    "tuning": design_tables.tuning,
    "column types": design_tables.column_types,
    "column scaling": design_tables.column_scaling,
    "sampling": design_tables.sampling,
    "false-alarm rates": design_tables.calibration,
    "spread and errors": design_tables.member_spread,
    "attributions": design_tables.attributions,
    "attributions, other methods": design_tables.other_attributions,
    "localisation": design_tables.localization,
    "speed targets": speed_tables.targets,
    "PyOD's AnoGAN": speed_tables.pyod,
    "time to F1": speed_tables.time_to_f1,
    "large tables": speed_tables.large,
    "engines": speed_tables.engines,
    "reading photographs": speed_tables.loading,
    "photographs one by one": speed_tables.photographs,
    "growth": speed_tables.growth,
    "service, rates": service_tables.load,
    "service, other servers": service_tables.others,
    "service, overload": service_tables.overload,
    "service, killed": service_tables.crash,
    "GPU, training": speed_tables.gpu_training,
    "GPU, scoring": speed_tables.gpu_scoring,
    "GPU, the paper's tables": speed_tables.gpu_papers_tables,
    **summary_tables.TABLES,
    **method_tables.TABLES,
}
BEGIN, END = "<!-- table: ", "<!-- end of table -->"
BLOCK = re.compile(rf"^{BEGIN}(?P<name>[^\n]+) -->\n(?:(?!<!--)[^\n]*\n)*{END}$", re.MULTILINE)


def with_tables(text: str) -> str:
    """Return a page with the present tables between its markers."""
    if not len(BLOCK.findall(text)) == text.count(BEGIN) == text.count(END):
        raise SystemExit(f"Each '{BEGIN}NAME -->' must be followed by '{END}', with a table between them.")

    def block(old: re.Match[str]) -> str:
        name = old["name"]
        if name not in TABLES:
            raise SystemExit(f"A page has the table '{name}', which must be one of: {'; '.join(TABLES)}.")
        return f"{BEGIN}{name} -->\n{TABLES[name]()}\n{END}"

    return BLOCK.sub(block, text)


def main() -> int:
    """Write or check all pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="replace the tables in the pages")
    action.add_argument("--check", action="store_true", help="print how the pages differ from the lines")
    parser.add_argument("pages", nargs="*", type=Path, default=PAGES, help="Markdown files, by default all with tables")
    options = parser.parse_args()
    stale = paper_figure.update(write=options.write) if options.pages == PAGES else []
    for path in stale:
        print(f"{path} shows other values than the lines." if options.check else f"{path} is drawn anew.")
    differ = bool(stale)
    for page in options.pages:
        old = page.read_text(encoding="utf-8")
        new = with_tables(old)
        differ |= new != old
        if options.write:
            page.write_text(new, encoding="utf-8")
        else:
            lines = unified_diff(old.splitlines(), new.splitlines(), str(page), "from the lines", n=0, lineterm="")
            print(*lines, sep="\n", end="\n" if new != old else "")
    return int(options.check and differ)


if __name__ == "__main__":
    sys.exit(main())
