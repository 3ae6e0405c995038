"""A benchmark's tables in files: one page of HTML, Markdown and JSON."""

import json
from pathlib import Path
from typing import Any

from egbad.benchmark.columns import PageHeader, tops
from egbad.benchmark.html import to_html
from egbad.benchmark.markdown import to_markdown
from egbad.benchmark.summary import BenchmarkSummary
from egbad.model_file import atomic_write
from egbad.report import to_jsonable


def to_json_dict(head: PageHeader, summary: BenchmarkSummary) -> dict[str, Any]:
    """The tables, JSON-able, without curves and pictures: those are in the lines of the runs."""
    whole = to_jsonable({"head": head, "summary": summary})
    for table, written in zip(summary.tables, whole["summary"]["tables"], strict=True):
        del written["shown"]
        written["most_anomalous"] = dict(tops(table, head))
    return dict(whole)


def to_json(head: PageHeader, summary: BenchmarkSummary) -> str:
    """The tables as JSON."""
    return json.dumps(to_json_dict(head, summary), indent=2, allow_nan=False) + "\n"


def write_results(folder: Path, head: PageHeader, summary: BenchmarkSummary) -> list[Path]:
    """Write results.html, .md and .json into the folder -> their paths."""
    forms = {"html": to_html, "md": to_markdown, "json": to_json}
    written = []
    for suffix, form in forms.items():
        path = folder / f"results.{suffix}"
        with atomic_write(path) as draft:
            draft.write_text(form(head, summary), encoding="utf-8")
        written.append(path)
    return written
