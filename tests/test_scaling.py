"""The recipes for other engines give the scores that the model gives."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from egbad.registry import create

PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"


def table(n, seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"a": rng.normal(size=n), "city": rng.choice(["Oslo", "Rome"], n)})


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    """What the page defines, and a model."""
    model = tmp_path_factory.mktemp("scaling") / "model.egbad"
    create("knn", random_state=0, alpha=0.05).fit(table(500, 0)).save(model)
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        exec(compile(block, PAGE.name, "exec"), names)
    return names, str(model)


def test_batches_as_spark_hands_them(recipes):
    names, model = recipes
    rows = table(1000, 1)
    batches = [*pa.Table.from_pandas(rows).to_batches(300), pa.RecordBatch.from_pandas(rows[:0])]
    found = pa.Table.from_batches(names["scored"](iter(batches), model)).to_pandas()
    expected = names["load"](model).anomaly_score(rows)
    assert np.array_equal(found["score"], expected) and found["city"].tolist() == rows["city"].tolist()
    assert np.array_equal(found["anomaly"], expected > names["load"](model).threshold_)


def test_partitions_as_dask_hands_them(recipes):
    names, model = recipes
    rows = table(1000, 1)
    parts = [names["with_scores"](part, model) for part in (rows[:400], rows[400:400], rows[400:])]
    assert np.array_equal(pd.concat(parts)["score"], names["load"](model).anomaly_score(rows))
    assert parts[1].dtypes.equals(parts[0].dtypes), "as meta has it"
