"""Rows as lines of JSON, which `egbad score --follow` answers one by one."""

import io
import json
import math
import random
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd

from egbad.cli.follow import answer_rows
from egbad.detectors.knn import KNN
from tests.fuzz.harness import Target, mutate_bytes

_PIECES = (
    *("null", "true", "NaN", "-Infinity", "1e999", "9" * 400, "9" * 5000, "[" * 3000, '{"a":' * 3000, '"\\ud800"'),
    *('"\\u0000"', "\ufeff", '"2024-13-45"', '"10:99"', "{}", "[]", '"id"', '"number"', '"level"', "-0.0", "1e-400"),
    *("\r", "\n", "\n\n", ",", ":", '"', "x" * 10_000),
)


def _table(n: int) -> pd.DataFrame:
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(n), "h")
    columns = {
        "number": np.arange(n) * 0.3,
        "level": ["a", "b"] * (n // 2),
        "when": times,
        "flag": [True, False] * (n // 2),
    }
    return pd.DataFrame(columns)


_DETECTOR = KNN(alpha=0.2, random_state=0).fit(_table(40))


def check(path: Path) -> None:
    """Answer all lines, and look for one answer to each line that is not blank."""
    answers, standard_input = io.StringIO(), sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(path.read_bytes()))
    try:
        with redirect_stdout(answers), redirect_stderr(io.StringIO()):
            answer_rows(_DETECTOR, _DETECTOR.threshold_, terms=True)
    finally:
        sys.stdin = standard_input
    lines = answers.getvalue().splitlines()
    assert len(lines) == sum(bool(line.strip()) for line in path.read_bytes().split(b"\n"))
    for answer in map(json.loads, lines):
        assert "error" in answer or math.isfinite(answer["score"])


def seeds() -> list[bytes]:
    """Return lines of objects and of lists."""
    rows = _table(6).astype({"when": str}).to_dict("records")
    objects = "\n".join(json.dumps({"id": i, **row}) for i, row in enumerate(rows))
    lists = "\n".join(json.dumps([*row.values()]) for row in rows)
    return [objects.encode(), lists.encode()]


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Change bytes, or insert pieces of JSON."""
    if rng.randrange(2):
        return mutate_bytes(content, rng)
    at, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    end = min(end, at + rng.choice((0, 1, 5, 20)))
    return content[:at] + rng.choice(_PIECES).encode("utf-8", "surrogatepass") + content[end:]


TARGET = Target(check=check, seeds=seeds, suffix=".jsonl", mutate=mutate)
