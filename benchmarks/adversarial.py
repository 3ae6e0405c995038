"""Measure what adversarial training adds: EGBAD, and the same networks without parts of their loss.

    python benchmarks/adversarial.py --seeds 3 --jobs 2

Runs on KDD99, MNIST with 10,000 training images, and the tables of ADBench and OddBench in the data folder. Each run is one
JSON line, and an interrupted command resumes. `benchmarks/tables.py` makes the table.
"""

import argparse
from pathlib import Path

from common import BriefRunLog, clean_tasks, run_pending

from egbad.benchmark.jobs import make_jobs
from egbad.benchmark.suites import Variant

SUITES = ("kdd99", "adbench", "oddbench", "mnist_10k")
SKIPPED = ("InternetAds",)  # its 1,555 columns take longer than all other tables together
VARIANTS = (
    Variant("egbad", "egbad"),
    Variant("no adversarial loss", "egbad", {"adversarial_weight": 0.0}),
    Variant("no cycle-consistency loss", "egbad", {"cycle_weight": 0.0}),
    Variant("untrained", "egbad", {"training__steps": 0}),
    Variant("knn", "knn"),
)


def main() -> None:
    """Run all variants on every task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel runs")
    parser.add_argument("--limit", type=float, default=900, help="longest duration of a run, in seconds")
    parser.add_argument("--only", nargs="+", choices=SUITES, default=[*SUITES], help="suites to run")
    parser.add_argument("--tables", type=int, help="only so many tables of a suite, evenly spaced in their order")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/adversarial"))
    options = parser.parse_args()
    jobs = []
    for suite in options.only:
        tasks = [task for task in clean_tasks(suite) if task.name not in SKIPPED]
        step = max(1, len(tasks) // options.tables) if options.tables else 1
        jobs += make_jobs(tasks[::step], VARIANTS, options.seeds)
    log = BriefRunLog(options.out)
    run_pending(sorted(jobs, key=lambda job: job.seed), log, options.jobs, timeout=options.limit)


if __name__ == "__main__":
    main()
