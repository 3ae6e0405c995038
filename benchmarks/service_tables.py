"""Tables of `egbad serve`: rates and latencies, overload, and what is lost when processes are killed."""

from pathlib import Path

from lines import RESULTS, Line, group_by, read_lines
from table_format import markdown, span

FOLDER = RESULTS / "service"
_PHASES = {
    "overload": "twice the top rate",
    "latency": "70 % of the top rate",
    "soak": "soak at 70 %",
    "swap": "model replaced",
}


def load(folder: Path = FOLDER) -> str:
    """Return rates and latencies by service and number of connections."""
    rows = []
    keys = ("kind", "service", "connections")
    for (kind, service, connections), lines in group_by(read_lines(folder / "load.jsonl"), *keys).items():
        if kind == "rows in memory":
            rate = span([line["rows_per_cpu_second"] for line in lines], 3)
            rows.append((kind, service, "", "", f"{rate} a second of processor time", "", "", ""))
            continue
        rows.append(
            (
                kind,
                service,
                connections,
                *(span([line[name] for line in lines], 3) for name in ("requests_per_second", "rows_per_second")),
                *(span([line[name] for line in lines], 2) for name in ("p50_ms", "p99_ms", "cpu_ms_per_request")),
            )
        )
    head = ("requests", "service", "connections", "requests a second", "rows a second", "p50, ms", "p99, ms", "CPU, ms")
    return markdown(head, rows)


def overload(folder: Path = FOLDER) -> str:
    """Return answers, latencies and memory under load."""
    rows = []
    for line in read_lines(folder / "overload.jsonl"):
        if line["phase"] == "top":
            continue
        rows.append(
            (
                line["kind"],
                _PHASES[line["phase"]],
                f"{line['seconds']:.0f}",
                _rate(line.get("offered_per_second")),
                _rate(line["accepted_per_second"]),
                _statuses(line),
                _checks(line),
                span([line["p99_ms"]], 3) if "p99_ms" in line else "",
                _memory(line),
            )
        )
    head = (
        "requests",
        "load",
        "seconds",
        "offered a second",
        "accepted a second",
        "statuses",
        "wrong",
        "p99, ms",
        "memory, MiB",
    )
    return markdown(head, rows)


def _rate(value: float | None) -> str:
    return "" if value is None else span([value], 3)


def _statuses(line: Line) -> str:
    """Format the number of answers by status."""
    names = {"0": "none"}
    return ", ".join(f"{n:,} with {names.get(status, status)}" for status, n in line["statuses"].items())


def _checks(line: Line) -> str:
    """Format what was wrong with answers."""
    return ", ".join(f"{n:,} {note}" for note, n in line.get("checks", {}).items()) or "0"


def _memory(line: Line) -> str:
    """Format the memory at the beginning, at its highest and at the end."""
    if "memory_first_mib" not in line:
        return f"{line['memory_last_mib']:.0f}"
    return " → ".join(f"{line[f'memory_{name}_mib']:.0f}" for name in ("first", "highest", "last"))


def crash(folder: Path = FOLDER) -> str:
    """Return the accepted results that a store lost."""
    rows = []
    for line in read_lines(folder / "crash.jsonl"):
        answers = line["answers"]
        event = f"service killed {line['kills']} times" if "kills" in line else f"PostgreSQL stopped ({line['mode']})"
        rows.append(
            (
                line["store"],
                event,
                f"{line['promised']:,}",
                f"{line['lost']:,}",
                f"{line['in_part']:,}",
                f"{answers.get('not stored', 0):,}",
                f"{answers.get('not stored, without a warning', 0):,}",
            )
        )
    head = ("store", "event", "answers that are stored", "lost", "in part", "answers that say they are not", "silent")
    return markdown(head, rows)


def others(folder: Path = FOLDER) -> str:
    """Return the rates of other servers with the same model."""
    rows = []
    for (service, connections), lines in group_by(
        read_lines(folder / "others.jsonl"), "service", "connections"
    ).items():
        names = ("requests_per_second", "p50_ms", "p99_ms")
        rows.append((service, connections, *(span([line[name] for line in lines], 3) for name in names)))
    return markdown(("service", "connections", "requests a second", "p50, ms", "p99, ms"), rows)
