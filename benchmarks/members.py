"""Measure EGBAD with five members, to compare with the one member on the pages of `egbad benchmark`.

    python benchmarks/members.py --jobs 2

An interrupted run resumes where it stopped; `benchmarks/tables.py` makes the table.
"""

import argparse
from pathlib import Path

from common import BriefRunLog, clean_tasks, run_pending

from egbad.benchmark.jobs import make_jobs
from egbad.benchmark.suites import Variant

SUITES = ("kdd99", "adbench", "digits", "mnist_10k", "magnetic_tile")
SKIPPED = ("InternetAds",)  # its 1,555 columns take longer than all other tables together


def main() -> None:
    """Run five members on every task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel runs")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/members"))
    parser.add_argument("--only", nargs="+", choices=SUITES, default=[*SUITES], help="suites to run")
    options = parser.parse_args()
    variant = Variant("egbad, five members", "egbad", {"members": 5})
    tasks = [task for suite in options.only for task in clean_tasks(suite) if task.name not in SKIPPED]
    run_pending(make_jobs(tasks, [variant], options.seeds), BriefRunLog(options.out), options.jobs)


if __name__ == "__main__":
    main()
