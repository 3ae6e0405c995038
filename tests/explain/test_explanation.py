"""Reasons add up to the score, name the right column, and are each row's alone, for every detector."""

import json
import time

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from captum.attr import FeatureAblation, IntegratedGradients, Saliency

from egbad import load
from egbad.cli import main
from egbad.detectors.registry import all_detectors, create
from egbad.errors import InvalidInputError
from egbad.explain.explanation import distribute
from egbad.explain.normal_range import COVERAGE, NormalRange
from egbad.explain.occlusion import farthest_groups, occlusion

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
    return {k: v for k, v in {"training__steps": 150, "search_steps": 20, "detector": "knn"}.items() if k in known}


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
    assert found.shares.shape == found.observed.shape == found.expected.shape == (len(x), D)
    assert found.score == pytest.approx(score, rel=1e-5)
    assert found.base + found.shares.sum(1) == pytest.approx(score, rel=1e-5, abs=1e-5 * np.abs(score).max())
    if of_rows.name in (*EXACT, "egbad", "blend") and of_rows.name != "pca":
        assert np.abs(found.base).max() <= 1e-5 * np.abs(score).max(), "nothing is left over"


def test_terms_are_those_of_the_score_and_members_differ(of_rows):
    x, _ = faults()
    found = of_rows.explain(x)
    for name, values in of_rows.score_terms(x).items():
        assert found.terms[name] == pytest.approx(values, rel=1e-9)
    assert (found.spread is None) == (of_rows.name != "blend"), "one member differs from nobody"
    two = create("egbad", members=2, training__steps=50, random_state=0, alpha=0.2).fit(scene(200, 0))
    assert two.explain(x).spread == pytest.approx(two.score_spread(x))


def test_normal_values_lie_where_they_are_said_to(of_rows):
    fresh = of_rows.explain(scene(300, 5))
    rounding = 1e-5  # some columns are rebuilt exactly
    inside = (fresh.observed >= fresh.low - rounding) & (fresh.observed <= fresh.high + rounding)
    edge = fresh.p_value > 1 - COVERAGE  # a value at the edge of training may be outside of a range that ends there
    assert (inside | ~edge).mean() > 0.97 and 0.85 < edge.mean() < 0.99
    x, where = faults()
    strange = of_rows.explain(x).p_value[np.arange(len(x)), where]
    if of_rows.name != "pca":  # it rebuilds what is strange, too, and tells it by how likely that is
        assert np.mean(strange < 0.1) > 0.6


def test_reasons_are_the_same_from_a_file(of_images, tmp_path):
    x = pictures(3, 1)
    of_images.save(tmp_path / "m.egbad")
    again = load(tmp_path / "m.egbad")
    assert np.array_equal(again.explain(x).shares, of_images.explain(x).shares)
    assert np.array_equal(again.nearest_examples(x, 2), of_images.nearest_examples(x, 2))


def test_the_column_that_is_wrong_comes_first(of_rows):
    x, where = faults()
    first = [own[0] for own in of_rows.explain(x).top(1)]
    hits = np.mean([reason.column == str(j) for reason, j in zip(first, where, strict=True)])
    assert hits >= (0.3 if of_rows.name == "adgan" else 0.7)  # ADGAN's weights move towards what they search
    assert all(reason.observed == x[i, int(reason.column)] for i, reason in enumerate(first))


@pytest.mark.parametrize("name", ["vae", "dsebm", "bigan", "ganomaly", "f_anogan"])
def test_a_gradient_says_what_captum_says_by_many(name):
    detector = create(name, random_state=0, alpha=0.2, **quick(name)).fit(scene(400, 0))
    x = detector.encoder_.encode(faults()[0])
    model = detector.model_.requires_grad_(False)

    def score(rows):
        return torch.stack([*model.score_terms(rows[None]).values()]).sum(0)[0]

    rows = torch.from_numpy(x)
    path = IntegratedGradients(score).attribute(rows, baselines=model.reconstruct(rows[None])[0], n_steps=64)
    both = zip(path.numpy(), detector._shares(x).shares, strict=True)
    assert np.median([np.corrcoef(a, b)[0, 1] for a, b in both]) > 0.98


def test_hidden_columns_count_as_captum_has_it():
    detector = create("egbad", random_state=0, alpha=0.2, training__steps=150).fit(scene(400, 0))
    x = torch.from_numpy(detector.encoder_.encode(faults()[0]))
    model = detector.model_.requires_grad_(False)
    found = model.shares(x[None])
    expected = model.reconstruct(x[None])[0]
    own = model.settings.residual_weight * model.distance_parts(x[None], expected[None])[0]
    assert own.sum(1).numpy() == pytest.approx(found.terms["residual"][0].numpy(), rel=1e-5), "exactly the residual's"
    falls = FeatureAblation(lambda rows: sum(model.score_terms(rows[None]).values())[0]).attribute(
        x, baselines=expected
    )
    three = torch.zeros_like(own).scatter(1, own.topk(3).indices, 1.0)
    falls = (falls * three).clamp(min=0)
    parts = (found.shares[0] - own) / found.terms["features"][0][:, None]
    assert parts.numpy() == pytest.approx((falls / falls.sum(1, keepdim=True)).numpy(), abs=1e-4)


def test_what_memory_notices_in_images_lies_where_captum_has_it():
    detector = create("egbad", random_state=0, alpha=0.2, training__steps=30).fit(pictures(120, 0))
    x = torch.from_numpy(detector.encoder_.encode(pictures(4, 1)))
    model = detector.model_.requires_grad_(False)
    assert model.settings.discriminator_loss == "memory"
    found = model.shares(x[None])
    own = model.settings.residual_weight * model.distance_parts(x[None], found.expected)[0]
    terms = {name: values[0].detach().numpy() for name, values in found.terms.items()}
    assert own.flatten(1).sum(1).numpy() == pytest.approx(terms["residual"], rel=1e-4)
    slope = Saliency(lambda images: model.score_terms(images[None])["features"][0]).attribute(
        x.clone().requires_grad_()
    )
    wanted = (slope * (x - found.expected[0]).abs()).flatten(1)
    parts = (found.shares[0] - own).flatten(1) / torch.from_numpy(terms["features"])[:, None]
    assert parts.numpy() == pytest.approx((wanted / wanted.sum(1, keepdim=True)).numpy(), abs=1e-4)


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


def test_normal_images_most_like_one_are_shown():
    x = pictures(40, 0)
    detector = create("knn", random_state=0, alpha=0.2).fit(x)
    kept = detector.exemplars_
    assert np.array_equal(detector.nearest_examples(kept[:5] * 0.5, 2)[:, 0], kept[:5]), "light doesn't count"
    few = create("knn", random_state=0, alpha=0.2, n_exemplars=3).fit(x)
    assert few.exemplars_.shape == (3, 12, 12) and few.nearest_examples(x[:2]).shape == (2, 3, 12, 12)
    none = create("knn", random_state=0, alpha=0.2, n_exemplars=0).fit(x)
    with pytest.raises(InvalidInputError, match="must have kept training images"):
        none.nearest_examples(x)
    with pytest.raises(InvalidInputError, match="examples must be at least 0"):
        create("knn", n_exemplars=-1).fit(x)
    assert none.explain(x[:2]).shares.shape == (2, 12, 12)


def test_large_images_are_kept_within_bounds():
    x = np.random.default_rng(0).integers(0, 255, (120, 3, 128, 128)).astype(np.uint8)
    detector = create("knn", random_state=0, alpha=0.2).fit(x)
    assert detector.exemplars_.nbytes <= 2**22 and detector.exemplars_.dtype == np.uint8


# -- tables of any kinds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["knn", "blend", "pca"])
def test_reasons_are_in_the_users_words(name):
    detector = create(name, random_state=0, alpha=0.05).fit(traffic())
    (reason,) = detector.explain(changed(traffic(1, 1), "protocol", "sctp")).top(1)[0]
    assert (reason.column, reason.observed) == ("protocol", "sctp") and reason.expected in ("tcp", "udp", "icmp")
    (reason,) = detector.explain(changed(traffic(1, 1), "bytes", np.nan)).top(1)[0]
    assert (reason.column, reason.observed) == ("bytes", None) and 0 < reason.expected < 1e5


def test_the_command_line_gives_reasons_as_typed_columns(tmp_path, capsys):
    frame = traffic(500)
    frame.to_parquet(tmp_path / "t.parquet")
    strange = changed(traffic(1, 1), "protocol", "sctp")
    pd.concat([traffic(20_000, 2), strange], ignore_index=True).to_parquet(tmp_path / "new.parquet")
    model, out = str(tmp_path / "m.egbad"), str(tmp_path / "s.parquet")
    assert main(["fit", str(tmp_path / "t.parquet"), "--out", model, "--detector", "knn"]) == 0
    assert main(["score", model, str(tmp_path / "new.parquet"), "--explain", "2", "--out", out]) == 0
    schema = {field.name: str(field.type) for field in pq.read_schema(out)}
    assert schema["reason_1"] == "string" and schema["reason_2_share"] == schema["reason_1_p_value"] == "double"
    found = pd.read_parquet(out)
    last = found.iloc[-1]
    assert (last["reason_1"], last["reason_1_observed"]) == ("protocol", "sctp")
    assert found["reason_1"].notna().equals(found["anomaly"]), "reasons for what is flagged"
    capsys.readouterr()
    lines = tmp_path / "s.jsonl"
    assert main(["score", model, str(tmp_path / "t.parquet"), "--explain", "1", "--out", str(lines)]) == 0
    assert main(["score", model, str(tmp_path / "t.parquet"), "--explain", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["scores"]
    assert rows == [json.loads(line, parse_constant=pytest.fail) for line in lines.read_text().splitlines()]
    assert all((row["reason_1_share"] is not None) == row["anomaly"] for row in rows), "no reason is null"
    assert main(["export", model, "--out", str(tmp_path / "m.onnx")]) == 0
    assert main(["score", str(tmp_path / "m.onnx"), str(tmp_path / "t.parquet"), "--explain", "1"]) == 2
    assert "An exported graph gives no reasons" in capsys.readouterr().err


# -- pieces ------------------------------------------------------------------------------------------------------------


def test_a_total_is_shared_out_by_weights():
    assert distribute(np.array([[1.0, 3.0], [0.0, 0.0]]), np.array([8.0, 2.0])).tolist() == [[2, 6], [1, 1]]


def test_occlusion_of_a_sum_is_exact():
    weights = np.array([1.0, 2.0, 3.0])
    x = np.array([[1.0, 1.0, 2.0], [0.0, 0.0, 1.0]])
    found = occlusion(lambda rows: rows @ weights, x, np.zeros(3), x @ weights, np.arange(3))
    assert found.shares.tolist() == [[1, 2, 6], [0, 0, 3]] and found.base.tolist() == [0, 0]
    some = farthest_groups(x, np.zeros(3), np.array([1.0, 1.0, 4.0]), np.array([0, 0, 1]), 1)
    assert some.tolist() == [[0], [1]]
    found = occlusion(lambda rows: rows @ weights, x, np.zeros(3), x @ weights, np.array([0, 0, 1]), some)
    assert found.shares.tolist() == [[4.5, 4.5, 0], [0, 0, 3]]


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


def test_a_tail_is_a_conformal_p_value():
    distances = np.random.default_rng(0).exponential(size=(500, 2))
    usual = NormalRange.fit(distances)
    tail = usual.p_values(np.array([[1e9, 0.0], [distances[:, 0].max(), -1.0]]))
    assert tail[0].tolist() == [1 / 501, 1.0] and tail[1, 0] <= 2 / 501
    fresh = np.random.default_rng(1).exponential(size=(20_000, 2))
    for alpha in (0.01, 0.1, 0.5):
        assert (usual.p_values(fresh) <= alpha).mean() == pytest.approx(alpha, rel=0.35)
    assert (fresh < usual.radius()).mean() == pytest.approx(COVERAGE, abs=0.03)
