"""Whether a longer run is a worse one: EGBAD's default with its steps, twice and five times as many, on all data sets.

    python benchmarks/training_length.py --seeds 2 --jobs 2
    python benchmarks/training_length.py --detector contrastive --seeds 1 --only mnist_10k --words "9 left out"

Five times as many come first: training that ended before as many as it has by default is the same, bit for bit, with any
limit above (`tests/detectors/test_egbad.py`), and the shorter limits are run where it went on. It goes on where it was
stopped, as `egbad benchmark` does; `benchmarks/tables.py` makes the table.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from ablation import BriefRuns

from egbad.benchmark import runner, suites
from egbad.benchmark.jobs import Job, make_jobs
from egbad.benchmark.suites import Variant
from egbad.progress import progress

STEPS = {
    "egbad": {"kdd99": 6000, "adbench": 6000, "digits": 1600, "mnist_10k": 1600, "magnetic_tile": 1600},
    "contrastive": {"digits": 2000, "mnist_10k": 2000, "magnetic_tile": 2000},
}
TOO_LONG = ("InternetAds",)  # its 1,555 columns take longer than all others together


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/training_length"))
    parser.add_argument("--detector", choices=STEPS, default="egbad")
    parser.add_argument("--only", nargs="+", help="suites")
    parser.add_argument("--words", default="", help="only tasks whose name ends so")
    parser.add_argument("--times", type=int, nargs="+", default=[5, 1, 2], help="as many steps, the most first")
    options = parser.parse_args()
    runs, steps = BriefRuns(options.out), STEPS[options.detector]
    for suite in options.only or steps:
        tasks = [
            task
            for task in suites.find_suite(suite, "clean").tasks("clean", None)
            if task.name not in TOO_LONG and task.name.endswith(options.words)
        ]
        most, *fewer = (
            Variant(f"{n} x", options.detector, {"training__steps": n * steps[suite]}) for n in options.times
        )
        longest = make_jobs(tasks, [most], options.seeds)
        finish(longest, runs, options.jobs)
        went_on = [job for job in longest if (runs.records[job.key].get("training_steps") or 0) >= steps[suite]]
        finish([replace(job, variant=entry) for job in went_on for entry in fewer], runs, options.jobs)


def finish(todo: list[Job], runs: BriefRuns, workers: int) -> None:
    """Run what has not been run, with progress."""
    with progress("Runs", len(runner.pending_jobs(todo, runs)), unit="runs") as advance:
        runner.run_jobs(todo, runs, n_workers=workers, on_record=lambda line: advance(1))


if __name__ == "__main__":
    main()
