"""Tables of the service hold what the lines say."""

import json

import service_tables


def write(path, *lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def cells(table):
    """The cells of a table's rows, without the head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_rates_of_several_runs_are_joined(tmp_path):
    about = {"kind": "single row", "service": "egbad serve", "connections": 16, "cpu_ms_per_request": 0.5}
    lines = [
        about | {"requests_per_second": rate, "rows_per_second": rate, "p50_ms": 2.0, "p99_ms": 9.0}
        for rate in (1000, 1200)
    ]
    library = {"kind": "rows in memory", "service": "library", "connections": 0, "rows_per_cpu_second": 250_000}
    write(tmp_path / "load.jsonl", *lines, library)
    first, second = cells(service_tables.load(tmp_path))
    assert first == ["single row", "egbad serve", "16", "1,000 to 1,200", "1,000 to 1,200", "2", "9", "0.5"]
    assert second[4] == "250,000 a second of processor time"


def test_overload_shows_statuses_checks_and_memory(tmp_path):
    line = {"kind": "single rows", "phase": "overload", "seconds": 60.0, "offered_per_second": 4000.0}
    line |= {"accepted_per_second": 1900.0, "statuses": {"200": 114_000, "503": 9}, "p99_ms": 512.0}
    memory = {"memory_first_mib": 400.0, "memory_highest_mib": 410.0, "memory_last_mib": 405.0}
    wrong = {"phase": "swap", "checks": {"wrong scores": 2}}
    write(tmp_path / "overload.jsonl", {"phase": "top"}, line | memory, line | memory | wrong)
    right, bad = cells(service_tables.overload(tmp_path))
    assert right[1:3] == ["twice the top rate", "60"] and right[5] == "114,000 with 200, 9 with 503"
    assert right[6] == "0" and right[8] == "400 → 410 → 405" and bad[6] == "2 wrong scores"


def test_killed_services_show_what_was_lost(tmp_path):
    line = {"store": "SQLite", "promised": 5000, "lost": 0, "in_part": 0, "answers": {"stored": 5000}}
    stopped = line | {"store": "PostgreSQL", "mode": "fast", "lost": 3, "answers": {"not stored": 32}}
    write(tmp_path / "crash.jsonl", line | {"kills": 10}, stopped)
    assert cells(service_tables.crash(tmp_path)) == [
        ["SQLite", "service killed 10 times", "5,000", "0", "0", "0", "0"],
        ["PostgreSQL", "PostgreSQL stopped (fast)", "5,000", "3", "0", "32", "0"],
    ]


def test_other_servers(tmp_path):
    line = {"service": "LitServe", "connections": 256, "requests_per_second": 812.3, "p50_ms": 300.0, "p99_ms": 400.0}
    write(tmp_path / "others.jsonl", line, line | {"requests_per_second": 901.0})
    assert cells(service_tables.others(tmp_path)) == [["LitServe", "256", "812 to 901", "300", "400"]]
