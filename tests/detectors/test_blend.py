import numpy as np
import pandas as pd
import pytest

from egbad import Blend, load
from egbad.detectors.blend_parts import PARTS, Part
from egbad.detectors.knn import KNN
from egbad.detectors.pca import PCA
from egbad.detectors.registry import create
from egbad.errors import InvalidInputError, StoppedError
from egbad.preprocessing import Preprocessing
from egbad.scoring.calibration import NegativeLogTail
from egbad.training import TrainingConfig
from egbad.training.checkpoints import Checkpoints


def rows(n, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) @ rng.normal(size=(2, 5)) + rng.normal(scale=0.1, size=(n, 5))


def test_score_is_the_mean_of_the_negative_log_tails():
    x, new = rows(300, 0), rows(40, 1) * 2
    blend = Blend(parts=("lof", "pca"), combination="mean", alpha=0.1, random_state=0).fit(x)
    tails = [NegativeLogTail(part.calibration_scores_)(part.anomaly_score(new)) for part in blend.parts_.values()]
    assert blend.anomaly_score(new) == pytest.approx(np.mean(tails, axis=0), rel=1e-12)
    assert blend.score_terms(new)["pca"] == pytest.approx(tails[1] / 2, rel=1e-12)
    assert blend.score_spread(new) == pytest.approx(np.std(np.divide(tails, 2), axis=0))


def test_score_is_the_root_mean_square_of_the_tails_among_the_training_rows():
    x, new = rows(300, 0), rows(40, 1) * 2
    blend = Blend(parts=("column_gap", "nearest"), alpha=0.1, random_state=0).fit(x)
    tails = [
        NegativeLogTail(blend.training_scores_[name])(part.anomaly_score(new)) for name, part in blend.parts_.items()
    ]
    assert [len(scores) for scores in blend.training_scores_.values()] == [270, 270]
    assert blend.anomaly_score(new) == pytest.approx(np.sqrt(np.mean(np.square(tails), axis=0)), rel=1e-12)
    assert sum(blend.score_terms(new).values()) == pytest.approx(blend.anomaly_score(new))


def test_the_threshold_comes_from_rows_that_no_part_learned():
    x = rows(2000, 0)
    blend = Blend(alpha=0.1, calibration_fraction=0.5, random_state=0).fit(x[:400])
    assert (blend.n_train_, blend.n_calibration_) == (200, 200)
    assert 0.03 < (blend.predict(x[400:]) == -1).mean() < 0.2


def test_parts_without_networks_learn_from_a_sample_of_the_rows():
    x = rows(300, 0)
    blend = Blend(
        parts=("vae", "nearest", "column_gap"),
        max_samples=50,
        training=TrainingConfig(steps=2),
        alpha=0.1,
        random_state=0,
    ).fit(x)
    assert [part.n_train_ for part in blend.parts_.values()] == [270, 50, 50]


def test_repeated_rows_do_not_fill_the_sample():
    x = rows(300, 0)
    x[40:] = x[0]
    blend = Blend(parts=("nearest", "column_gap"), max_samples=30, alpha=0.1, random_state=0).fit(x)
    for part in blend.parts_.values():
        assert part.n_train_ == 30
    assert len(np.unique(blend.parts_["nearest"].index_rows_, axis=0)) == 30
    few = Blend(parts=("nearest",), max_samples=100, alpha=0.1, random_state=0).fit(x)
    assert 30 <= few.parts_["nearest"].n_train_ <= 40


def test_a_loaded_blend_has_the_scores_of_the_training_rows(tmp_path):
    x = rows(200, 0)
    blend = Blend(alpha=0.1, random_state=0).fit(x)
    assert len(blend.training_scores_) == 7
    blend.save(tmp_path / "b.egbad")
    again = load(tmp_path / "b.egbad")
    assert np.array_equal(again.anomaly_score(x), blend.anomaly_score(x))
    assert all(np.array_equal(again.training_scores_[name], values) for name, values in blend.training_scores_.items())


def test_the_bits_of_scores_and_shares_of_tables_do_not_depend_on_other_rows():
    x = rows(700, 0)
    blend = Blend(alpha=0.1, random_state=0).fit(x[:300])
    new = x[300:]
    scores, shares = blend.anomaly_score(new), blend.explain(new).shares
    for size in (1, 7, 257):
        assert np.array_equal(blend.anomaly_score(new[:size]), scores[:size])
        assert np.array_equal(blend.explain(new[:size]).shares, shares[:size])
    assert np.allclose(shares.sum(1), scores)


def test_weights_are_relative(monkeypatch):
    monkeypatch.setitem(PARTS, "heavy", Part("lof", {}, weight=3.0))
    x, new = rows(300, 0), rows(40, 1)
    blend = Blend(parts=("heavy", "pca"), combination="mean", alpha=0.1, random_state=0).fit(x)
    tails = {
        name: NegativeLogTail(part.calibration_scores_)(part.anomaly_score(new)) for name, part in blend.parts_.items()
    }
    assert blend.anomaly_score(new) == pytest.approx(0.75 * tails["heavy"] + 0.25 * tails["pca"])


def test_an_expected_value_is_that_of_the_part_with_the_largest_share():
    x, new = rows(400, 0).round(1), rows(60, 1).round(1) * 2
    blend = Blend(alpha=0.1, random_state=0).fit(x)
    explanation = blend.explain(new)
    parts = [part.explain(new) for part in blend.parts_.values()]
    for values in ("expected", "low", "p_value"):
        of_parts = np.stack([getattr(part, values) for part in parts])
        assert (getattr(explanation, values) == of_parts).any(axis=0).all()
    assert not np.array_equal(explanation.expected, parts[0].expected)
    for i, reasons in enumerate(explanation.top(5)):
        assert reasons and all(reason.observed != reason.expected and reason.share > 0 for reason in reasons), i
    half = blend.explain(new[30:])
    assert np.array_equal(half.expected, explanation.expected[30:]) and np.array_equal(half.low, explanation.low[30:])


def test_parts_are_detectors_fitted_on_the_training_rows():
    x = rows(200, 0)
    blend = Blend(parts=("knn", "pca"), alpha=0.1, calibration_fraction=0.25, random_state=0).fit(x)
    assert isinstance(blend.parts_["knn"], KNN) and isinstance(blend.parts_["pca"], PCA)
    for part in blend.parts_.values():
        assert (part.n_train_, part.n_calibration_) == (150, 50)
        assert part.p_value(rows(9, 1)).shape == (9,)
        assert part.describe()["fit_seconds"] > 0


def test_shared_parameters_reach_the_parts():
    x = rows(100, 0)
    blend = Blend(
        parts=("egbad", "nearest"),
        training=TrainingConfig(steps=3),
        preprocessing=Preprocessing(scaling="minmax"),
        members=2,
        alpha=0.2,
        random_state=0,
    ).fit(x)
    egbad, nearest = blend.parts_.values()
    assert (egbad.settings_.training.steps, egbad.settings_.preprocessing.scaling) == (3, "minmax")
    assert (egbad.members, egbad.alpha) == (2, 0.2)
    assert (nearest.settings_.preprocessing.scaling, nearest.n_neighbors) == ("minmax", 1)
    assert egbad.seed_ != nearest.seed_


def test_named_parts_have_parameters_that_the_blend_overrides():
    images = np.random.default_rng(0).integers(0, 256, (60, 16, 16), dtype=np.uint8)
    blend = Blend(
        parts=("contrastive-wide", "nearest-correlation"), training=TrainingConfig(steps=2), alpha=0.2, random_state=0
    ).fit(images)
    wide = blend.parts_["contrastive-wide"]
    assert (wide.settings_.width, wide.settings_.training.steps) == (64, 2)
    assert PARTS["contrastive-wide"].parameters["training__steps"] == 10_000
    assert np.isfinite(blend.anomaly_score(images)).all()


@pytest.mark.parametrize("parts", [(), ("knn", "knn")])
def test_there_must_be_a_part_and_none_twice(parts):
    with pytest.raises(InvalidInputError, match="at least one part, and none twice"):
        Blend(parts=parts).fit(rows(30, 0))


def test_parts_as_text_are_refused_with_an_example():
    with pytest.raises(InvalidInputError, match=r"parts.* must be a list of names, such as \["):
        Blend(parts="knn,pca").fit(rows(30, 0))


def test_an_unknown_part_is_named():
    with pytest.raises(InvalidInputError, match="There is no part 'knm'.*'knn'"):
        Blend(parts=("knm",)).fit(rows(30, 0))


def test_a_killed_fit_resumes_and_ends_with_the_same_bits(tmp_path, monkeypatch):
    x, new = rows(200, 0), rows(20, 1)

    def blend():
        return Blend(parts=("vae", "egbad", "knn"), training=TrainingConfig(steps=60), alpha=0.1, random_state=None)

    saved, save = [], Checkpoints.save

    def kill_at_the_last(self, step, about, arrays):
        save(self, step, about, arrays)
        saved.append(self.folder.name)
        if saved.count("egbad") == 3:
            raise StoppedError("killed")

    monkeypatch.setattr(Checkpoints, "save", kill_at_the_last)
    with pytest.raises(StoppedError):
        blend().fit(x, checkpoints=Checkpoints(tmp_path / "c", every=0))
    assert {"vae", "egbad"} < set(saved)
    monkeypatch.setattr(Checkpoints, "save", save)
    checkpoints = Checkpoints(tmp_path / "c", every=0, resume=True)
    resumed = blend().fit(x, checkpoints=checkpoints)
    whole = Blend(
        parts=("vae", "egbad", "knn"), training=TrainingConfig(steps=60), alpha=0.1, random_state=resumed.seed_
    ).fit(x)
    assert np.array_equal(resumed.anomaly_score(new), whole.anomaly_score(new))
    checkpoints.clear()
    assert not (tmp_path / "c").exists()


def test_a_model_file_holds_the_parts(tmp_path):
    x = rows(100, 0)
    blend = Blend(parts=("vae", "nearest"), training=TrainingConfig(steps=5), alpha=0.1, random_state=0).fit(x)
    blend.save(tmp_path / "b.egbad")
    again = load(tmp_path / "b.egbad")
    for name, part in blend.parts_.items():
        assert np.array_equal(again.parts_[name].anomaly_score(x), part.anomaly_score(x))
    assert set(again.describe()["parts"]) == {"vae", "nearest"}


def test_a_model_file_keeps_the_weights_it_was_fitted_with(tmp_path, monkeypatch):
    x = rows(100, 0)
    blend = Blend(parts=("nearest", "pca"), alpha=0.1, random_state=0).fit(x)
    blend.save(tmp_path / "b.egbad")
    monkeypatch.setitem(PARTS, "nearest", Part("knn", {"n_neighbors": 9}, weight=7.0))
    assert np.array_equal(load(tmp_path / "b.egbad").anomaly_score(x), blend.anomaly_score(x))


@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")  # one step teaches nothing
def test_default_parts_depend_on_the_kind_of_input():
    images = np.random.default_rng(0).integers(0, 256, (40, 20, 20)).astype(np.uint8)
    coloured = np.stack([images] * 3, axis=1)
    given = (rows(40, 0), images, images[:, :8], coloured)
    chosen = [tuple(Blend(training=TrainingConfig(steps=1), alpha=0.3, random_state=0).fit(x).parts_) for x in given]
    assert chosen == [
        (
            "nearest-whitened",
            "nearest-unlogged",
            "density-ratio",
            "feature-bagging",
            "column-pairs",
            "column-gap",
            "column-density",
        ),
        ("contrastive", "nearest-correlation"),
        ("contrastive", "nearest"),
        ("contrastive", "nearest-correlation", "nearest-colour"),
    ]


def test_a_range_guard_is_one_of_each_part():
    x = np.random.default_rng(0).normal(size=(300, 3))
    frame = pd.DataFrame(x, columns=[*"abc"]).assign(d=np.where(x[:, 0] > 0, "up", None))
    detector = create("blend", preprocessing__range_guard=True, alpha=0.1, random_state=0)
    for table in (x, frame):
        detector.fit(table)
        assert detector.range_guard_ is None
        assert all(part.range_guard_ is not None for part in detector.parts_.values())
        assert np.isfinite(detector.anomaly_score(table)).all()


def test_it_reconstructs_where_a_part_does():
    x = np.random.default_rng(0).normal(size=(200, 3))
    options = {"training__steps": 20, "alpha": 0.1, "random_state": 0}
    detector = create("blend", parts=("knn", "vae"), **options).fit(x)
    assert np.array_equal(detector.reconstruct(x), detector.parts_["vae"].reconstruct(x))
    assert not hasattr(create("blend", parts=("knn",), **options).fit(x), "reconstruct")
