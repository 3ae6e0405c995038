"""Whether a longer run is a worse one: EGBAD's default with its steps, twice and five times as many, on all data sets.

    python benchmarks/length.py --seeds 2 --jobs 2

It goes on where it was stopped, as `egbad benchmark` does; `benchmarks/tables.py` makes the table.
"""

import argparse
from pathlib import Path

from ablation import BriefRuns

from egbad.benchmark import run, suites
from egbad.benchmark.suites import Entry
from egbad.progress import progress

STEPS = {"kdd99": 3000, "adbench": 3000, "digits": 1600, "mnist_10k": 1600}
TOO_LONG = ("InternetAds",)  # its 1,555 columns take longer than all others together


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/length"))
    parser.add_argument("--only", nargs="+", choices=STEPS, default=[*STEPS])
    options = parser.parse_args()
    todo = []
    for suite in options.only:
        tasks = [t for t in suites.find(suite, "clean").tasks("clean", None) if t.name not in TOO_LONG]
        lengths = [Entry(f"{n} x", "egbad", {"steps": n * STEPS[suite]}) for n in (1, 2, 5)]
        todo += run.jobs(tasks, lengths, options.seeds)
    runs = BriefRuns(options.out)
    with progress("Runs", len(run.pending(todo, runs)), unit="runs") as advance:
        run.run(todo, runs, workers=options.jobs, done=lambda line: advance(1))


if __name__ == "__main__":
    main()
