"""Result files: HTML, Markdown and JSON."""

import json
from pathlib import Path
from typing import Any

from egbad.benchmark.columns import PageHeader, most_anomalous_rows
from egbad.benchmark.html import to_html
from egbad.benchmark.markdown import to_markdown
from egbad.benchmark.summary import BenchmarkSummary
from egbad.output_files import write_text
from egbad.report.serialization import to_jsonable


def to_json_dict(header: PageHeader, summary: BenchmarkSummary) -> dict[str, Any]:
    """Convert the tables to JSON types, without the curves and images of single runs.

    Parameters
    ----------
    header : PageHeader
    summary : BenchmarkSummary

    Returns
    -------
    dict
    """
    values = dict(to_jsonable({"header": header, "summary": summary}))
    for table, converted in zip(summary.tables, values["summary"]["tables"], strict=True):
        del converted["example_runs"]
        converted["most_anomalous"] = dict(most_anomalous_rows(table, header))
    return values


def to_json(header: PageHeader, summary: BenchmarkSummary) -> str:
    """Write the tables as JSON.

    Parameters
    ----------
    header : PageHeader
    summary : BenchmarkSummary

    Returns
    -------
    str
    """
    return json.dumps(to_json_dict(header, summary), indent=2, allow_nan=False) + "\n"


def write_results(folder: Path, header: PageHeader, summary: BenchmarkSummary) -> list[Path]:
    """Write `results.html`, `results.md` and `results.json`.

    Parameters
    ----------
    folder : Path
    header : PageHeader
    summary : BenchmarkSummary

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    EgbadError
        If a file cannot be written.
    """
    writers = {"html": to_html, "md": to_markdown, "json": to_json}
    paths = []
    for suffix, to_text in writers.items():
        path = folder / f"results.{suffix}"
        write_text(path, to_text(header, summary))
        paths.append(path)
    return paths
