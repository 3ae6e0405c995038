"""A report as Markdown: the table, the health and what is needed to make it again."""

from collections.abc import Mapping
from typing import Any, Protocol

from egbad.report.evaluation import EvaluationReport


class Told(Protocol):
    """What every kind of report tells of the model and of the data."""

    @property
    def description(self) -> Mapping[str, Any]:
        """`Detector.describe()`."""

    @property
    def data(self) -> Mapping[str, Any]:
        """Which data this was."""


def measure_rows(report: EvaluationReport) -> list[tuple[str, str]]:
    """The table that every form of the report shows: what was measured, and its value in words."""
    m = report.metrics
    rows = [
        ("AUROC", f"{m.auroc:.4f}"),
        ("Average precision", f"{m.average_precision:.4f}"),
        ("Base rate", f"{m.base_rate:.4f} ({m.anomalies:,} anomalies among {m.normals + m.anomalies:,} {report.kind})"),
        ("Anomalies flagged", f"{m.recall:.1%} ({m.found:,} of {m.anomalies:,})"),
        ("Normals flagged", f"{m.false_alarm_rate:.1%} ({m.false_alarms:,} of {m.normals:,})"),
    ]
    if m.fit_seconds is not None:
        rows.append(("Seconds to train", f"{m.fit_seconds:.1f}"))
    if m.scored_per_second is not None:
        rows.append((f"{report.kind.capitalize()} scored per second", f"{m.scored_per_second:,.0f}"))
    return rows


def health(report: Told) -> list[str]:
    """What went wrong in training, a sentence each."""
    return [str(sentence) for sentence in report.description.get("health") or ()]


def cell(text: str) -> str:
    """Text that stays in its cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def evaluation_to_markdown(report: EvaluationReport) -> str:
    """The report as Markdown, for a commit or a chat."""
    lines = [f"# {cell(report.title)}", "", report.summary, "", "| | |", "| --- | --- |"]
    lines += [f"| {cell(name)} | {cell(value)} |" for name, value in measure_rows(report)]
    lines += ["", "Training ended well." if not health(report) else "", *[f"- {s}" for s in health(report)]]
    lines += ["", "| setting | value |", "| --- | --- |"]
    lines += [f"| {cell(name)} | {cell(value)} |" for name, value in facts(report)]
    lines += ["", "Made with:", "", f"    {report.command}", ""]
    return "\n".join(lines)


def facts(report: Told) -> list[tuple[str, str]]:
    """All that was set, seeded and installed, flat: ("settings: n_latent", "32")."""
    rows: list[tuple[str, str]] = []
    for section, value in {**report.data, **report.description}.items():
        if section == "health":
            continue
        if isinstance(value, dict):
            rows += [(f"{section}: {name}", _shown(v)) for name, v in value.items() if v is not None]
        else:
            rows.append((section.replace("_", " "), _shown(value)))
    return rows


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(_shown(v) for v in value) or "none"
    return str(value)
