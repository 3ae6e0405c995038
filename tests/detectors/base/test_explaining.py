"""Explanations of every detector: they add up to the score, find the right column and depend on the row alone."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from captum.attr import FeatureAblation, IntegratedGradients, Saliency

from egbad import load
from egbad.cli import main
from egbad.detectors.registry import all_detectors, create, detectors_of_rows
from egbad.errors import InvalidInputError
from egbad.explain.normal_range import COVERAGE
from tests.detectors.counted_backbone import CountedBackbone

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
    return {
        k: v
        for k, v in {"training__steps": 150, "encoder_steps": 150, "search_steps": 20, "detector": "knn"}.items()
        if k in known
    }


@pytest.fixture(scope="module", params=detectors_of_rows())
def of_rows(request):
    return create(request.param, random_state=0, alpha=0.2, **quick(request.param)).fit(scene(400, 0))


@pytest.fixture(scope="module", params=detectors_of_rows())
def of_images(request):
    return create(request.param, random_state=0, alpha=0.2, **quick(request.param)).fit(pictures(120, 0))


def faults(n=24):
    """Return rows with one outlying column, and the position of that column."""
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
        assert np.abs(found.base).max() <= 1e-5 * np.abs(score).max(), "all of the score is explained"


def test_terms_are_those_of_the_score_and_spread_is_that_of_the_members(of_rows):
    x, _ = faults()
    found = of_rows.explain(x)
    for name, values in of_rows.score_terms(x).items():
        assert found.terms[name] == pytest.approx(values, rel=1e-9)
    assert (found.spread is None) == (of_rows.name != "blend"), "a single member has no spread"
    two = create("egbad", members=2, training__steps=50, random_state=0, alpha=0.2).fit(scene(200, 0))
    assert two.explain(x).spread == pytest.approx(two.score_spread(x))


def test_normal_values_lie_in_the_normal_range(of_rows):
    fresh = of_rows.explain(scene(300, 5))
    rounding = 1e-5  # some columns are reconstructed exactly
    inside = (fresh.observed >= fresh.low - rounding) & (fresh.observed <= fresh.high + rounding)
    edge = (
        fresh.p_value > 1 - COVERAGE
    )  # the range is clipped at that of training, so that values at its edge may lie outside
    assert (inside | ~edge).mean() > 0.97 and 0.85 < edge.mean() < 0.99
    x, where = faults()
    strange = of_rows.explain(x).p_value[np.arange(len(x)), where]
    if of_rows.name != "pca":  # PCA reconstructs anomalies too; its score is their likelihood
        assert np.mean(strange < 0.1) > 0.6


def test_explanations_of_a_loaded_detector_are_the_same(of_images, tmp_path):
    x = pictures(3, 1)
    of_images.save(tmp_path / "m.egbad")
    again = load(tmp_path / "m.egbad")
    assert np.array_equal(again.explain(x).shares, of_images.explain(x).shares)
    assert np.array_equal(again.nearest_exemplars(x, 2), of_images.nearest_exemplars(x, 2))


def test_the_faulty_column_comes_first(of_rows):
    x, where = faults()
    first = [own[0] for own in of_rows.explain(x).top(1)]
    hits = np.mean([reason.column == str(j) for reason, j in zip(first, where, strict=True)])
    assert hits >= (
        0.3 if of_rows.name == "adgan" else 0.7
    )  # the weights of ADGAN adapt to the row that they search for
    assert all(reason.observed == x[i, int(reason.column)] for i, reason in enumerate(first))


@pytest.mark.parametrize("name", ["vae", "dsebm", "bigan", "ganomaly", "f_anogan"])
def test_one_gradient_agrees_with_integrated_gradients_of_captum(name):
    detector = create(name, random_state=0, alpha=0.2, **quick(name)).fit(scene(400, 0))
    x = detector.encoder_.encode(faults()[0])
    model = detector.model_.requires_grad_(False)

    def score(rows):
        return torch.stack([*model.score_terms(rows[None]).values()]).sum(0)[0]

    rows = torch.from_numpy(x)
    path = IntegratedGradients(score).attribute(rows, baselines=model.reconstruct(rows[None])[0], n_steps=64)
    both = zip(path.numpy(), detector._attribute(x).shares, strict=True)
    assert np.median([np.corrcoef(a, b)[0, 1] for a, b in both]) > 0.98


def test_occluded_columns_agree_with_feature_ablation_of_captum():
    detector = create("egbad", random_state=0, alpha=0.2, training__steps=150).fit(scene(400, 0))
    x = torch.from_numpy(detector.encoder_.encode(faults()[0]))
    model = detector.model_.requires_grad_(False)
    found = model.attribute(x[None])
    expected = model.reconstruct(x[None])[0]
    own = model.settings.residual_weight * model.residual_shares(x[None], expected[None])[0]
    assert own.sum(1).numpy() == pytest.approx(found.terms["residual"][0].numpy(), rel=1e-5), (
        "the shares of the residual are exact"
    )
    falls = FeatureAblation(lambda rows: sum(model.score_terms(rows[None]).values())[0]).attribute(
        x, baselines=expected
    )
    three = torch.zeros_like(own).scatter(1, own.topk(3).indices, 1.0)
    falls = (falls * three).clamp(min=0)
    parts = (found.shares[0] - own) / found.terms["features"][0][:, None]
    assert parts.numpy() == pytest.approx((falls / falls.sum(1, keepdim=True)).numpy(), abs=1e-4)


def test_gradients_of_a_memory_bank_agree_with_saliency_of_captum():
    detector = create("egbad", random_state=0, alpha=0.2, training__steps=30).fit(pictures(120, 0))
    x = torch.from_numpy(detector.encoder_.encode(pictures(4, 1)))
    model = detector.model_.requires_grad_(False)
    assert model.settings.discriminator_loss == "memory"
    found = model.attribute(x[None])
    own = model.settings.residual_weight * model.residual_shares(x[None], found.expected)[0]
    terms = {name: values[0].detach().numpy() for name, values in found.terms.items()}
    assert own.flatten(1).sum(1).numpy() == pytest.approx(terms["residual"], rel=1e-4)
    slope = Saliency(lambda images: model.score_terms(images[None])["features"][0]).attribute(
        x.clone().requires_grad_()
    )
    wanted = (slope * (x - found.expected[0]).abs()).flatten(1)
    parts = (found.shares[0] - own).flatten(1) / torch.from_numpy(terms["features"])[:, None]
    assert parts.numpy() == pytest.approx((wanted / wanted.sum(1, keepdim=True)).numpy(), abs=1e-4)


def test_the_explanation_of_a_row_depends_on_the_row_alone(of_rows):
    x, _ = faults()
    whole, some = of_rows.explain(x), of_rows.explain(x[3:5])
    assert some.shares == pytest.approx(whole.shares[3:5], rel=1e-4, abs=1e-6 * np.abs(whole.shares).max())
    assert np.array_equal(of_rows.explain(x).shares, whole.shares), "repeated calls give the same bits"


def test_a_tiny_change_of_a_row_changes_its_explanation_little():
    x, _ = faults()
    for name in ("egbad", "blend", "knn", "vae"):
        detector = create(name, random_state=0, alpha=0.2, **quick(name)).fit(scene(400, 0))
        before, after = detector.explain(x), detector.explain(x + 1e-4)
        gap = np.abs(before.shares - after.shares).max(axis=1) / np.abs(before.shares).max(axis=1)
        assert np.quantile(gap, 0.9) < 0.02, name


def test_a_faulty_patch_dominates_the_heatmap(of_images):
    x = pictures(4, 1)
    x[:, 8:10, 2:4] = 1.0
    found = of_images.explain(x)
    assert found.shares.shape == (4, 12, 12)
    score = of_images.anomaly_score(x)
    assert found.base + found.shares.sum((1, 2)) == pytest.approx(score, rel=1e-5, abs=1e-5 * np.abs(score).max())
    mask = np.zeros((12, 12), dtype=bool)
    mask[8:10, 2:4] = True
    assert np.abs(found.shares[:, mask]).mean() > 3 * np.abs(found.shares[:, ~mask]).mean()


def test_the_most_similar_normal_images_are_found():
    x = pictures(40, 0)
    detector = create("knn", random_state=0, alpha=0.2).fit(x)
    kept = detector.exemplars_
    assert np.array_equal(detector.nearest_exemplars(kept[:5] * 0.5, 2)[:, 0], kept[:5]), "brightness does not matter"
    few = create("knn", random_state=0, alpha=0.2, n_exemplars=3).fit(x)
    assert few.exemplars_.shape == (3, 12, 12) and few.nearest_exemplars(x[:2]).shape == (2, 3, 12, 12)
    none = create("knn", random_state=0, alpha=0.2, n_exemplars=0).fit(x)
    with pytest.raises(InvalidInputError, match="must have kept training images"):
        none.nearest_exemplars(x)
    with pytest.raises(InvalidInputError, match="exemplars must be at least 0"):
        create("knn", n_exemplars=-1).fit(x)
    assert none.explain(x[:2]).shares.shape == (2, 12, 12)


def test_exemplars_of_large_images_are_limited_to_four_mebibytes():
    x = np.random.default_rng(0).integers(0, 255, (120, 3, 128, 128)).astype(np.uint8)
    detector = create("knn", random_state=0, alpha=0.2).fit(x)
    assert detector.exemplars_.nbytes <= 2**22 and detector.exemplars_.dtype == np.uint8


# -- mixed tables -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["knn", "blend", "pca"])
def test_reasons_show_the_users_labels_and_units(name):
    detector = create(name, random_state=0, alpha=0.05).fit(traffic())
    (reason,) = detector.explain(changed(traffic(1, 1), "protocol", "sctp")).top(1)[0]
    assert (reason.column, reason.observed) == ("protocol", "sctp") and reason.expected in ("tcp", "udp", "icmp")
    (reason,) = detector.explain(changed(traffic(1, 1), "bytes", np.nan)).top(1)[0]
    assert (reason.column, reason.observed) == ("bytes", None) and 0 < reason.expected < 1e5


def test_the_command_line_writes_reasons_as_typed_columns(tmp_path, capsys):
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
    assert found["reason_1"].notna().equals(found["anomaly"]), "anomalies have reasons"
    capsys.readouterr()
    lines = tmp_path / "s.jsonl"
    assert main(["score", model, str(tmp_path / "t.parquet"), "--explain", "1", "--out", str(lines)]) == 0
    assert main(["score", model, str(tmp_path / "t.parquet"), "--explain", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["scores"]
    assert rows == [json.loads(line, parse_constant=pytest.fail) for line in lines.read_text().splitlines()]
    assert all((row["reason_1_share"] is not None) == row["anomaly"] for row in rows), "rows without a reason have null"
    assert main(["export", model, "--out", str(tmp_path / "m.onnx")]) == 0
    assert main(["score", str(tmp_path / "m.onnx"), str(tmp_path / "t.parquet"), "--explain", "1"]) == 2
    assert "An exported model cannot explain its scores" in capsys.readouterr().err


@pytest.mark.parametrize("features", ["global", "patches"])
def test_images_are_described_by_the_backbone_one_by_one(features):
    x = pictures(40, 0)
    detector = create("knn", backbone=CountedBackbone(), features=features, alpha=0.2, random_state=0).fit(x)
    found = detector.image_features(x[:3])
    assert detector.describes_images and found.ndim == 2 and np.isfinite(found).all()
    assert (found[1] == detector.image_features(x[1:2])[0]).all() and not np.allclose(found[0], found[1])


def test_a_detector_without_a_backbone_describes_no_images():
    detector = create("knn", alpha=0.2, random_state=0).fit(pictures(40, 0))
    assert not detector.describes_images
    with pytest.raises(InvalidInputError, match="image_features needs a detector .* with a backbone"):
        detector.image_features(pictures(2, 1))
