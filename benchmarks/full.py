"""All of MNIST and CIFAR-10, by the networks and budgets that a GPU affords, and what more of either is worth.

    python benchmarks/full.py --jobs 8

MNIST with each digit left out, all normals of the training half; CIFAR-10 with each class normal, the official halves. It goes
on where it was stopped, as `egbad benchmark` does; `benchmarks/tables.py` makes the table.
"""

import argparse
from pathlib import Path

from ablation import BriefRuns

from egbad.benchmark import run, suites
from egbad.benchmark.suites import Entry
from egbad.progress import progress

ENTRIES = (
    Entry("blend", "blend", {}),
    Entry("blend, 3 members, 5 times the steps", "blend", {"members": 3, "steps": 10_000}),
    Entry("contrastive", "contrastive", {}),
    Entry("contrastive, 4 times the channels", "contrastive", {"width": 64}),
    Entry("contrastive, 4 times the channels, twice the steps", "contrastive", {"width": 64, "steps": 4000}),
    Entry("egbad", "egbad", {}),
    Entry("egbad, 5 members", "egbad", {"members": 5}),
    Entry("egbad, twice the channels", "egbad", {"width": 64}),
    Entry("egbad, the paper's networks and steps", "egbad", {"recipe": "paper"}),
)
SUITES = ("mnist", "cifar10")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/full"))
    parser.add_argument("--only", choices=SUITES, nargs="+", default=SUITES)
    parser.add_argument("--entries", nargs="+", default=[entry.label for entry in ENTRIES], help="by their labels")
    options = parser.parse_args()
    todo = [
        job
        for suite in options.only
        for job in run.jobs(
            suites.find(suite, "clean").tasks("clean", None),
            [entry for entry in ENTRIES if entry.label in options.entries],
            options.seeds,
        )
    ]
    runs = BriefRuns(options.out)
    with progress("Runs", len(run.pending(todo, runs)), unit="runs") as advance:
        run.run(todo, runs, workers=options.jobs, done=lambda line: advance(1))


if __name__ == "__main__":
    main()
