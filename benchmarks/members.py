"""EGBAD with five members, on all data sets of its pages, to stand beside the one member of these.

    python benchmarks/members.py --jobs 2

It goes on where it was stopped, as `egbad benchmark` does; `benchmarks/tables.py` makes the table.
"""

import argparse
from pathlib import Path

from ablation import BriefRuns

from egbad.benchmark import runner, suites
from egbad.benchmark.jobs import make_jobs
from egbad.benchmark.suites import Variant
from egbad.progress import progress

SUITES = ("kdd99", "adbench", "digits", "mnist_10k", "magnetic_tile")
TOO_LONG = ("InternetAds",)  # its 1,555 columns take longer than all others together


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/members"))
    parser.add_argument("--only", nargs="+", choices=SUITES, default=[*SUITES])
    options = parser.parse_args()
    entry = Variant("egbad, five members", "egbad", {"members": 5})
    tasks = [task for suite in options.only for task in suites.find_suite(suite, "clean").tasks("clean", None)]
    todo = make_jobs([task for task in tasks if task.name not in TOO_LONG], [entry], options.seeds)
    runs = BriefRuns(options.out)
    with progress("Runs", len(runner.pending_jobs(todo, runs)), unit="runs") as advance:
        runner.run_jobs(todo, runs, n_workers=options.jobs, on_record=lambda line: advance(1))


if __name__ == "__main__":
    main()
