"""The recipes for other engines give the scores that the model gives."""

import importlib
import re
from pathlib import Path

import dask.dataframe
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from egbad.detectors.registry import create

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "scaling.md"


def table(n, seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"a": rng.normal(size=n), "city": rng.choice(["Oslo", "Rome"], n)})


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    """What the page defines, as a module, and a model."""
    folder = tmp_path_factory.mktemp("scaling")
    model = folder / "model.egbad"
    create("knn", random_state=0, alpha=0.05).fit(table(500, 0)).save(model)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (folder / "recipes_of_the_page.py").write_text("\n".join(blocks), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module("recipes_of_the_page"), str(model)


def test_drift_of_a_day(recipes):
    page, model = recipes
    assert page.drift_of(table(300, 1), model).kind == "none"
    assert page.drift_of(table(300, 1).assign(a=lambda rows: rows["a"] + 2), model).kind == "shift"


def test_batches_as_spark_hands_them(recipes):
    page, model = recipes
    rows = table(1000, 1)
    batches = [*pa.Table.from_pandas(rows).to_batches(300), pa.RecordBatch.from_pandas(rows[:0])]
    found = pa.Table.from_batches(page.scored(iter(batches), model)).to_pandas()
    expected = page.load(model).anomaly_score(rows)
    assert np.array_equal(found["score"], expected) and found["city"].tolist() == rows["city"].tolist()
    assert np.array_equal(found["anomaly"], expected > page.load(model).threshold_)


def test_partitions_as_dask_hands_them(recipes):
    page, model = recipes
    rows = table(1000, 1)
    parts = [page.with_scores(part, model) for part in (rows[:400], rows[400:400], rows[400:])]
    assert np.array_equal(pd.concat(parts)["score"], page.load(model).anomaly_score(rows))
    assert parts[1].dtypes.equals(parts[0].dtypes), "as meta has it"


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # Dask's own use of pandas
def test_dask_scores_a_folder_as_the_page_says(recipes, tmp_path):
    page, model = recipes
    rows = table(1000, 2)
    (tmp_path / "days").mkdir()
    for i, part in enumerate((rows[:300], rows[300:])):
        part.to_parquet(tmp_path / "days" / f"{i}.parquet")
    days = dask.dataframe.read_parquet(tmp_path / "days")
    scored = days.map_partitions(page.with_scores, model, meta=page.with_scores(days._meta, model))
    scored.to_parquet(tmp_path / "scores")
    found = pd.read_parquet(tmp_path / "scores")
    assert np.array_equal(found["score"], page.load(model).anomaly_score(rows))
    assert found["city"].tolist() == rows["city"].tolist()
