"""Fits that start from the weights of an earlier detector, and incremental fits."""

import numpy as np
import pytest

from egbad import load
from egbad.detectors.registry import all_detectors, create
from egbad.errors import InvalidInputError
from egbad.scoring.learned_rows import row_digests
from egbad.training.checkpoints import Checkpoints

TRAINED = [name for name, kind in all_detectors().items() if hasattr(kind, "partial_fit")]


def circle(n, seed, radius=1.0):
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, n)
    x = radius * np.column_stack([np.cos(angle), np.sin(angle), np.sin(angle)])
    return x + np.random.default_rng(seed + 1).normal(scale=0.05, size=x.shape)


def quick(name, **options):
    known = all_detectors()[name]().get_params()
    own = {"search_steps": 10} if "search_steps" in known else {}
    steps = options.pop("training__steps", 30)
    own |= {name: steps for name in ("training__steps", "encoder_steps") if name in known}
    return create(name, **{"alpha": 0.2, "random_state": 0, **own, **options})


@pytest.mark.parametrize("name", TRAINED)
def test_without_steps_a_fit_keeps_the_initial_weights(name):
    x = circle(200, 0)
    first = quick(name).fit(x)
    again = quick(name, training__steps=0).fit(x, init_from=first)
    assert again.anomaly_score(x[:20]) == pytest.approx(first.anomaly_score(x[:20]), rel=1e-5)
    fresh = quick(name, training__steps=0).fit(x)
    assert np.abs(fresh.anomaly_score(x[:20]) - first.anomaly_score(x[:20])).max() > 1e-3


@pytest.mark.parametrize("name", TRAINED)
def test_partial_fit_learns_new_rows_with_the_old_scaling(name):
    detector = quick(name).fit(circle(200, 0))
    kept = detector.encoder_.state()
    before = detector.anomaly_score(circle(20, 4))
    assert detector.partial_fit(circle(100, 2)) is detector
    assert all(np.array_equal(values, detector.encoder_.state()[key]) for key, values in kept.items())
    assert detector.n_train_ == 90 and detector.n_calibration_ == 10
    assert not np.array_equal(detector.anomaly_score(circle(20, 4)), before)
    with pytest.raises(InvalidInputError, match="expecting 3 features"):
        detector.partial_fit(np.zeros((20, 4)))


def test_partial_fit_makes_new_rows_normal():
    detector = create("egbad", random_state=0, alpha=0.05, training__steps=1500).fit(circle(1000, 0))
    wide = circle(1000, 3, radius=2.0)
    flagged = (detector.predict(wide) < 0).mean()
    detector.partial_fit(wide)
    assert flagged > 0.8 and (detector.predict(circle(500, 7, radius=2.0)) < 0).mean() < 0.12


def test_partial_fit_of_an_unfitted_detector_is_a_fit():
    x = circle(200, 0)
    assert np.array_equal(quick("vae").partial_fit(x).anomaly_score(x), quick("vae").fit(x).anomaly_score(x))


def test_initial_weights_save_steps():
    x = circle(3000, 0)
    options = {"alpha": 0.05, "early_stopping__interval": 25}
    cold = create("egbad", random_state=0, **options).fit(x)
    half = create("egbad", random_state=1, **options).fit(x[:1500])
    warm = create("egbad", random_state=0, **options).fit(x, init_from=half)
    assert warm.history_["step"][-1] < cold.history_["step"][-1]


def test_an_interrupted_fit_resumes_with_the_same_initial_weights_only(tmp_path):
    x, first = circle(200, 0), quick("vae").fit(circle(200, 5))
    whole = quick("vae").fit(x, init_from=first)

    def stop(step):
        raise KeyboardInterrupt

    folder = tmp_path / "checkpoints"
    with pytest.raises(KeyboardInterrupt):
        quick("vae").fit(
            x, init_from=first, callback=stop, callback_interval=15, checkpoints=Checkpoints(folder, every=0)
        )
    resumed = quick("vae").fit(x, init_from=first, checkpoints=Checkpoints(folder, every=0, resume=True))
    assert np.array_equal(resumed.anomaly_score(x), whole.anomaly_score(x))
    with pytest.raises(InvalidInputError):
        quick("vae").fit(x, init_from=whole, checkpoints=Checkpoints(folder, every=0, resume=True))


def test_unsuitable_initial_weights_are_refused():
    x, first = circle(200, 0), quick("vae").fit(circle(200, 5))
    with pytest.raises(InvalidInputError, match="KNN has no weights to start from"):
        create("knn").fit(x, init_from=first)
    with pytest.raises(InvalidInputError, match="init_from must be a fitted EGBAD"):
        quick("egbad").fit(x, init_from=first)
    with pytest.raises(InvalidInputError, match="networks of the same shape"):
        quick("vae", members=2).fit(x, init_from=first)
    with pytest.raises(InvalidInputError, match="networks of the same shape"):
        quick("vae").fit(np.column_stack([x, x]), init_from=first)
    with pytest.raises(InvalidInputError, match="init_from must be a fitted Blend"):
        create("blend", alpha=0.2).fit(x, init_from=first)
    blend = create("blend", alpha=0.2, random_state=0).fit(x)
    with pytest.raises(InvalidInputError, match="init_from must have the parts"):
        create("blend", alpha=0.2, parts=("knn",)).fit(x, init_from=blend)


def test_a_blend_passes_initial_weights_to_its_parts():
    x = circle(200, 0)
    options = {"alpha": 0.2, "random_state": 0, "parts": ("vae", "knn")}
    first = create("blend", training__steps=30, **options).fit(x)
    again = create("blend", training__steps=0, **options).fit(x, init_from=first)
    assert again.anomaly_score(x[:20]) == pytest.approx(first.anomaly_score(x[:20]), rel=1e-4)


@pytest.mark.parametrize("name", ["egbad", "vae", "blend", "tiled"])
def test_rows_that_the_earlier_model_was_trained_on_are_not_held_out(name):
    old, new = circle(200, 0), circle(100, 1)
    options = {"detector": "vae", "detector_params": {"training__steps": 5}} if name == "tiled" else {}
    first = quick(name, **options).fit(old)
    for x, n_new in ((np.concatenate([old, new]), 120), (old, 20), (new, 100)):
        later = quick(name, **options, random_state=1).fit(x, init_from=first)
        held_out = np.isin(row_digests(x), row_digests(x[~later.known_rows().contains(row_digests(x))]))
        assert held_out.sum() == later.n_calibration_ == min(n_new, round(0.1 * len(x)))
        assert not first.known_rows().contains(row_digests(x[held_out])).any()
        assert later.known_rows().contains(row_digests(old)).sum() >= 180  # the rows of both fits


@pytest.mark.slow
@pytest.mark.parametrize("way", ["grown", "same", "new", "twice"])
@pytest.mark.parametrize("name", ["egbad", "vae"])
def test_normal_rows_are_flagged_at_about_alpha_after_more_training(name, way):
    """The earlier model is trained on few rows for long, so rows that it was trained on have far lower scores."""
    shares = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        old, new, test = (rng.normal(size=(n, 6)) for n in (300, 300, 2000))
        options = {"training__steps": 1000, "early_stopping__criterion": "none", "calibration_fraction": 0.3}
        given = {**options, "alpha": 0.1, "device": "cpu"}
        model = create(name, **given, random_state=seed).fit(old)
        x = {"grown": np.concatenate([old, new]), "same": old, "new": new, "twice": old}[way]
        for again in range(2 if way == "twice" else 1):
            model = create(name, **given, random_state=seed + 10 * (again + 1)).fit(x, init_from=model)
        assert model.n_calibration_ >= 90
        shares.append(np.mean(model.predict(test) == -1))
    # Three standard deviations of the mean of five shares with thresholds from 90 rows.
    assert np.mean(shares) == pytest.approx(0.1, abs=3 * np.sqrt(0.1 * 0.9 / 90 / 5))


def test_partial_fit_holds_out_no_row_that_was_trained_on():
    x = circle(300, 0)
    detector = quick("vae", early_stopping__criterion="validation").fit(x)
    held_out = detector.calibration_scores_
    validation = set(detector.validation_rows_.tolist())
    detector.partial_fit(x)
    assert len(detector.calibration_scores_) == len(held_out)
    assert set(detector.validation_rows_.tolist()) <= validation


def test_a_model_that_was_trained_on_all_rows_is_refused():
    x = circle(100, 0)
    first = quick("vae").fit(x)
    learned = x[first.known_rows().contains(row_digests(x))]
    with pytest.raises(InvalidInputError, match="The earlier model was trained on all rows of X"):
        quick("vae").fit(learned, init_from=first)


def test_a_model_of_an_early_release_is_refused(tmp_path):
    first = quick("vae").fit(circle(100, 0))
    first.learned_rows_ = None
    first.save(tmp_path / "old.egbad")
    old = load(tmp_path / "old.egbad")
    old.predict(circle(100, 0))
    with pytest.raises(InvalidInputError, match="its file does not tell which rows it was trained on"):
        quick("vae").fit(circle(100, 1), init_from=old)
