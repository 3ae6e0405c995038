"""Fuzzing by hand: ``python -m tests.fuzz TARGET --minutes 60``.

Inputs are mutations of the target's seeds, chosen at random. With ``--atheris``, atheris chooses them by the coverage of the
library's code instead, if it is installed. The first failure ends such a run.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.harness import (
    CORPUS,
    MAX_BYTES,
    MAX_SECONDS,
    Outcome,
    Target,
    Worker,
    find_target,
    limit_threads,
    mutation,
    outcome_of,
    regressions,
    store,
    target_names,
)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz a target by hand.")
    parser.add_argument("target", choices=target_names())
    parser.add_argument("--minutes", type=float, default=5.0, help="time to spend (default 5)")
    parser.add_argument("--inputs", type=int, default=None, help="end after this many inputs")
    parser.add_argument("--seed", type=int, default=None, help="seed of the mutations (default: by the clock)")
    parser.add_argument("--replay", type=Path, nargs="*", help="run these files, or the corpus, and nothing else")
    parser.add_argument("--atheris", action="store_true", help="choose inputs by coverage, with atheris")
    return parser.parse_args(arguments)


def _replay(target: Target, paths: list[Path]) -> int:
    """Print the outcome of stored inputs and return the number of failures."""
    with Worker(target) as worker:
        outcomes = {path: worker.run(path.read_bytes()) for path in paths}
    for path, outcome in outcomes.items():
        print(f"{path}: {outcome.kind} {outcome.message}")
    return sum(outcome.kind == "failed" for outcome in outcomes.values())


def _last_line(outcome: Outcome) -> str:
    return outcome.message.strip().splitlines()[-1][:200]


def _fuzz(name: str, target: Target, minutes: float, n_inputs: int | None, seed: int) -> int:
    """Run random mutations, store failures and return their number."""
    seeds, counts, failures = target.seeds(), Counter[str](), Counter[str]()
    end = time.monotonic() + 60 * minutes
    with Worker(target) as worker:
        while time.monotonic() < end and (n_inputs is None or counts.total() < n_inputs):
            content = mutation(target, seeds, random.Random(f"{seed}:{counts.total()}"))
            outcome = worker.run(content)
            counts[outcome.kind] += 1
            if outcome.kind == "failed":
                failures[_last_line(outcome)] += 1
                if failures[_last_line(outcome)] == 1:  # one input of each kind is enough to mend it
                    print(f"{store(name, content, target.suffix)}\n{outcome.message}\n", flush=True)
    print(f"seed {seed}: {counts.total()} inputs, " + ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())))
    for line, n in failures.most_common():
        print(f"{n:6} {line}")
    return counts["failed"]


def _fuzz_with_atheris(name: str, minutes: float) -> None:
    """Let atheris choose mutations of the seeds by coverage; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["egbad"]):  # before the target imports the library
        target = find_target(name)

    def run(content: bytes) -> None:
        path = folder / f"input{target.suffix}"
        path.write_bytes(content)
        outcome = outcome_of(target.check, path)
        if outcome.kind == "failed":
            raise AssertionError(outcome.message)

    def mutate(content: bytes, max_size: int, seed: int) -> bytes:
        return target.mutate(content, random.Random(seed))[:max_size]

    with tempfile.TemporaryDirectory(prefix="egbad-fuzz-") as name_of_folder:
        folder = Path(name_of_folder)
        inputs = folder / "inputs"
        inputs.mkdir()
        known = [path.read_bytes() for path in regressions(name)]
        for i, content in enumerate([*target.seeds(), *known]):
            (inputs / str(i)).write_bytes(content)
        failures = CORPUS / name
        failures.mkdir(parents=True, exist_ok=True)
        limits = (
            f"-max_total_time={60 * minutes:.0f}",
            f"-timeout={MAX_SECONDS:g}",
            f"-rss_limit_mb={2 * MAX_BYTES >> 20}",
        )
        options = [*limits, f"-max_len={4 * max(path.stat().st_size for path in inputs.iterdir())}"]
        atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={failures}/", str(inputs)], run, custom_mutator=mutate)
        atheris.Fuzz()


def main(arguments: list[str]) -> int:
    """Fuzz a target as the command line asks, and return the exit status."""
    options = _parse(arguments)
    limit_threads()
    if options.atheris:
        _fuzz_with_atheris(options.target, options.minutes)
    target = find_target(options.target)
    if options.replay is not None:
        return min(1, _replay(target, options.replay or regressions(options.target)))
    seed = int(time.time()) if options.seed is None else options.seed
    return min(1, _fuzz(options.target, target, options.minutes, options.inputs, seed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
