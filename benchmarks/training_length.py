"""Measure how the limit on steps changes the result: once, twice and five times the default.

    python benchmarks/training_length.py --seeds 2 --jobs 2
    python benchmarks/training_length.py --detector contrastive --seeds 1 --only mnist_10k --task "9 left out"

The largest limit runs first. If early stopping ends a run before the default limit, any larger limit gives the same bits
(`tests/detectors/test_egbad.py` checks that), so the smaller limits are only run for the other tasks. An interrupted run
resumes where it stopped; `benchmarks/tables.py` makes the table.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from common import BriefRunLog, clean_tasks, run_pending

from egbad.benchmark.jobs import make_jobs
from egbad.benchmark.suites import Variant

DEFAULT_STEPS = {
    "egbad": {"kdd99": 6000, "adbench": 6000, "digits": 1600, "mnist_10k": 1600, "magnetic_tile": 1600},
    "contrastive": {"digits": 2000, "mnist_10k": 2000, "magnetic_tile": 2000},
}
SKIPPED = ("InternetAds",)  # its 1,555 columns take longer than all other tables together


def main() -> None:
    """Run the largest limit, then the smaller ones where they matter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel runs")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/training_length"))
    parser.add_argument("--detector", choices=DEFAULT_STEPS, default="egbad")
    parser.add_argument("--only", nargs="+", help="suites to run")
    parser.add_argument("--task", default="", help="only tasks whose name ends with this text")
    parser.add_argument("--times", type=int, nargs="+", default=[5, 1, 2], help="multiples of the limit, largest first")
    options = parser.parse_args()
    log, default_steps = BriefRunLog(options.out), DEFAULT_STEPS[options.detector]
    for suite in options.only or default_steps:
        steps = default_steps[suite]
        tasks = [t for t in clean_tasks(suite) if t.name not in SKIPPED and t.name.endswith(options.task)]
        largest, *smaller = (Variant(f"{n} x", options.detector, {"training__steps": n * steps}) for n in options.times)
        jobs = make_jobs(tasks, [largest], options.seeds)
        run_pending(jobs, log, options.jobs)
        went_on = [job for job in jobs if (log.records[job.key].get("training_steps") or 0) >= steps]
        run_pending([replace(job, variant=variant) for job in went_on for variant in smaller], log, options.jobs)


if __name__ == "__main__":
    main()
