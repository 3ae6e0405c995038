"""Reasons add up to the score, name the right column, and are each row's alone, for every detector."""

import time

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from egbad.base.occlusion import occlusion
from egbad.cli import main
from egbad.explanation import shared_out
from egbad.registry import all_detectors, create

D = 6
EXACT = ("knn", "pca")


def scene(n, seed):
    x = np.random.default_rng(seed).normal(size=(n, D))
    x[:, 1] = x[:, 0] + 0.1 * x[:, 1]
    return x


def pictures(n, seed):
    x = np.clip(np.random.default_rng(seed).normal(0.5, 0.1, size=(n, 12, 12)), 0, 1)
    x[:, 3:6] = 0.9
    return x


def traffic(n=400, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"bytes": rng.lognormal(5, 1, n), "protocol": rng.choice(["tcp", "udp", "icmp"], n)})


def changed(frame, column, value):
    return frame.assign(**{column: pd.Series([value] * len(frame), dtype=frame[column].dtype)})


def quick(name):
    known = all_detectors()[name]().get_params()
    options = {"steps": 150} if "steps" in known else {}
    return options | ({"search_steps": 20} if "search_steps" in known else {})


@pytest.fixture(scope="module", params=all_detectors())
def of_rows(request):
    return create(request.param, random_state=0, alpha=0.2, **quick(request.param)).fit(scene(400, 0))


@pytest.fixture(scope="module", params=all_detectors())
def of_images(request):
    return create(request.param, random_state=0, alpha=0.2, **quick(request.param)).fit(pictures(120, 0))


def faults(n=24):
    """Rows with one column far out, and which that is."""
    x, where = scene(n, 1), np.arange(n) % D
    x[np.arange(n), where] += 7
    return x, where


# -- every detector ----------------------------------------------------------------------------------------------------


def test_shares_and_base_add_up_to_the_score(of_rows):
    x, _ = faults()
    found = of_rows.explain(x)
    score = of_rows.anomaly_score(x)
    assert found.shares.shape == found.found.shape == found.expected.shape == (len(x), D)
    assert found.score == pytest.approx(score, rel=1e-5)
    assert found.base + found.shares.sum(1) == pytest.approx(score, rel=1e-5, abs=1e-5 * np.abs(score).max())
    if of_rows.name in (*EXACT, "egbad", "blend") and of_rows.name != "pca":
        assert np.abs(found.base).max() <= 1e-5 * np.abs(score).max(), "nothing is left over"


def test_the_column_that_is_wrong_comes_first(of_rows):
    x, where = faults()
    first = [own[0] for own in of_rows.explain(x).top(1)]
    hits = np.mean([reason.column == str(j) for reason, j in zip(first, where, strict=True)])
    assert hits >= (0.3 if of_rows.name == "adgan" else 0.7)  # ADGAN's weights move towards what they search
    assert all(reason.found == x[i, int(reason.column)] for i, reason in enumerate(first))


def test_reasons_are_a_rows_alone(of_rows):
    x, _ = faults()
    whole, some = of_rows.explain(x), of_rows.explain(x[3:5])
    assert some.shares == pytest.approx(whole.shares[3:5], rel=1e-4, abs=1e-6 * np.abs(whole.shares).max())
    assert np.array_equal(of_rows.explain(x).shares, whole.shares), "and the same each time"


def test_a_tiny_change_of_a_row_changes_its_reasons_little():
    x, _ = faults()
    for name in ("egbad", "blend", "knn", "vae"):
        detector = create(name, random_state=0, alpha=0.2, **quick(name)).fit(scene(400, 0))
        before, after = detector.explain(x), detector.explain(x + 1e-4)
        gap = np.abs(before.shares - after.shares).max(axis=1) / np.abs(before.shares).max(axis=1)
        assert np.quantile(gap, 0.9) < 0.02, name


def test_a_patch_that_is_wrong_has_most_of_a_heatmap(of_images):
    x = pictures(4, 1)
    x[:, 8:10, 2:4] = 1.0
    found = of_images.explain(x)
    assert found.shares.shape == (4, 12, 12)
    score = of_images.anomaly_score(x)
    assert found.base + found.shares.sum((1, 2)) == pytest.approx(score, rel=1e-5, abs=1e-5 * np.abs(score).max())
    mask = np.zeros((12, 12), dtype=bool)
    mask[8:10, 2:4] = True
    assert np.abs(found.shares[:, mask]).mean() > 3 * np.abs(found.shares[:, ~mask]).mean()


# -- tables of any kinds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["knn", "blend", "pca"])
def test_reasons_are_in_the_users_words(name):
    detector = create(name, random_state=0, alpha=0.05).fit(traffic())
    (reason,) = detector.explain(changed(traffic(1, 1), "protocol", "sctp")).top(1)[0]
    assert (reason.column, reason.found) == ("protocol", "sctp") and reason.expected in ("tcp", "udp", "icmp")
    (reason,) = detector.explain(changed(traffic(1, 1), "bytes", np.nan)).top(1)[0]
    assert (reason.column, reason.found) == ("bytes", None) and 0 < reason.expected < 1e5


def test_the_command_line_gives_reasons_as_typed_columns(tmp_path, capsys):
    frame = traffic(500)
    frame.to_parquet(tmp_path / "t.parquet")
    strange = changed(traffic(1, 1), "protocol", "sctp")
    pd.concat([traffic(20_000, 2), strange], ignore_index=True).to_parquet(tmp_path / "new.parquet")
    model, out = str(tmp_path / "m.egbad"), str(tmp_path / "s.parquet")
    assert main(["fit", str(tmp_path / "t.parquet"), "--out", model, "--detector", "knn"]) == 0
    assert main(["score", model, str(tmp_path / "new.parquet"), "--explain", "2", "--out", out]) == 0
    schema = {field.name: str(field.type) for field in pq.read_schema(out)}
    assert schema["reason_1"] == "string" and schema["reason_2_share"] == "double"
    found = pd.read_parquet(out)
    last = found.iloc[-1]
    assert (last["reason_1"], last["reason_1_found"]) == ("protocol", "sctp")
    assert found["reason_1"].notna().equals(found["anomaly"]), "reasons for what is flagged"
    assert main(["export", model, "--out", str(tmp_path / "m.onnx")]) == 0
    assert main(["score", str(tmp_path / "m.onnx"), str(tmp_path / "t.parquet"), "--explain", "1"]) == 2
    assert "--explain names columns of a table" in capsys.readouterr().err


# -- pieces ------------------------------------------------------------------------------------------------------------


def test_a_total_is_shared_out_by_weights():
    assert shared_out(np.array([[1.0, 3.0], [0.0, 0.0]]), np.array([8.0, 2.0])).tolist() == [[2, 6], [1, 1]]


def test_occlusion_of_a_sum_is_exact():
    weights = np.array([1.0, 2.0, 3.0])
    x = np.array([[1.0, 1.0, 2.0], [0.0, 0.0, 1.0]])
    found = occlusion(lambda rows: rows @ weights, x, np.zeros(3), np.arange(3))
    assert found.shares.tolist() == [[1, 2, 6], [0, 0, 3]] and found.base.tolist() == [0, 0]


def test_a_batch_of_reasons_costs_few_scores():
    x = np.random.default_rng(0).normal(size=(3000, 121))
    for name, most in (("egbad", 8), ("blend", 8)):  # five where nothing else runs
        detector = create(name, random_state=0, alpha=0.05, **quick(name)).fit(x[:2000])
        new = x[2000:]
        ratios = []
        for _ in range(5):
            started = time.perf_counter()
            detector.anomaly_score(new)
            scored = time.perf_counter()
            detector.explain(new)
            ratios.append((time.perf_counter() - scored) / (scored - started))
        assert np.median(ratios) < most, name
