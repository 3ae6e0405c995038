"""Hyperparameter search: the search space, the choice, and the separation of labels from training."""

import json
import sys

import numpy as np
import optuna
import pytest
from PIL import Image

from egbad import tuning
from egbad.data import Data, read
from egbad.detectors.registry import all_detectors, create
from egbad.errors import EgbadError, InvalidInputError, MissingExtraError
from egbad.tuning import Trial, search_space


def tune(x, detector, fixed=None, **options):
    """Tune with a false-alarm rate that few calibration rows allow."""
    return tuning.tune(x, detector, fixed_params={"alpha": 0.2, **(fixed or {})}, **options)


def rows(n, seed):
    """Three columns, of which the first two are equal up to noise."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    return np.column_stack([a, a + 0.1 * rng.normal(size=n), rng.normal(size=n)])


# -- the search space --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(all_detectors()))
@pytest.mark.parametrize("shape", [(6,), (1, 28, 28)])
def test_every_value_of_the_search_space_can_be_set(name, shape):
    detector = create(name)
    if len(shape) == 1 and not detector.learns_rows:
        pytest.skip("learns images only")
    space = search_space(detector, shape)
    assert space, f"nothing is searched for {name}"
    for parameter, values in space.items():
        assert values[0] is None and len(values) > 1
        for value in values[1:]:
            assert value != _setting(detector, shape, parameter)
            expected = tuple(value) if isinstance(value, dict) else value  # settings hold the names of parts
            assert _setting(create(name, **{parameter: value}), shape, parameter) == expected


def _setting(detector, shape, parameter):
    setting = detector.settings_for(shape).model_dump()
    for name in parameter.split("__"):
        setting = setting[name]
    return setting


# -- the choice --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fold_aurocs", "chosen"),
    [
        ([[0.8, 0.8, 0.8], [0.9, 0.9, 0.9], [0.95, 0.95, 0.95]], 2),
        ([[0.9, 0.9, 0.9], [0.8, 0.8, 0.8]], 0),
        ([[0.8, 0.8, 0.8], [0.9, 0.72, 0.8]], 0),  # a lead smaller than its standard error
        ([[0.8, 0.8, 0.8], []], 0),
        ([[], [0.6, 0.6, 0.6]], 1),
    ],
)
def test_the_defaults_are_kept_unless_the_lead_exceeds_its_standard_error(fold_aurocs, chosen):
    assert tuning._choose(fold_aurocs) == chosen


def test_the_cross_validated_auroc_exposes_a_choice_that_only_fits_its_own_anomalies():
    normal = np.zeros(10)
    suits_part_0, suits_part_1 = np.array([1.0, -1.0, 1.0, -1.0]), np.array([-1.0, 1.0, -1.0, 1.0])
    scored = [
        tuning._ScoredTrial(Trial({"choice": i}, (), 0.0), ((normal, anomalous), (normal, anomalous)))
        for i, anomalous in enumerate([suits_part_0, suits_part_1])
    ]
    # Without part 0 the second trial is chosen, which fails on part 0, and vice versa.
    assert tuning._cross_validated_auroc(scored, 4) == 0.0
    suits_all = tuning._ScoredTrial(Trial({}, (), 0.0), ((normal, np.ones(4)),) * 2)
    assert tuning._cross_validated_auroc([suits_all, *scored], 4) == 1.0


# -- the search --------------------------------------------------------------------------------------------------------


def test_the_detector_is_fitted_with_the_best_parameters():
    x = rows(400, 0)
    result = tune(x, "pca", n_trials=20, random_state=0)
    assert result.trials[0].parameters == {}
    assert result.chosen in result.trials
    assert result.chosen.auroc >= result.trials[0].auroc
    assert len({json.dumps(t.parameters, sort_keys=True) for t in result.trials}) == len(result.trials)
    assert result.cross_validated is None
    assert result.judged_by == "synthetic anomalies"
    own = {name: getattr(result.detector, name) for name in result.chosen.parameters}
    assert own == result.chosen.parameters
    assert result.detector.n_train_ + result.detector.n_calibration_ == 400
    expected = create("pca", random_state=0, alpha=0.1, **own).fit(x)
    assert np.array_equal(expected.anomaly_score(x), result.detector.anomaly_score(x)), "the final fit equals fit(x)"
    # PCA's small components see a row whose first two columns differ.
    assert result.detector.anomaly_score([[1.0, -1.0, 0.0]]) > result.detector.anomaly_score([[1.0, 1.0, 0.0]])


def test_the_same_seed_gives_the_same_trials():
    first, again = (tune(rows(200, 0), "knn", n_trials=5, random_state=3) for _ in range(2))
    assert [t.parameters for t in first.trials] == [t.parameters for t in again.trials]
    assert [t.fold_aurocs for t in first.trials] == [t.fold_aurocs for t in again.trials]
    new = rows(20, 1)
    assert (first.detector.anomaly_score(new) == again.detector.anomaly_score(new)).all()


def test_labelled_anomalies_are_not_used_for_training():
    x = rows(300, 0)
    anomalies = np.array([[2.0, -2.0, 0.0], [-2.0, 2.0, 0.0], [1.5, -1.5, 1.0], [-1.0, 1.0, 0.5]])
    result = tune(x, "knn", anomalies=anomalies, n_trials=4, random_state=0)
    assert result.judged_by == "4 labelled anomalies"
    assert result.cross_validated is not None and 0.5 < result.cross_validated <= 1.0
    assert result.detector.n_train_ + result.detector.n_calibration_ == 300


def test_networks_are_tuned_on_images():
    images = np.random.default_rng(0).random((40, 8, 8))
    result = tune(images, "egbad", n_trials=2, n_folds=2, fixed={"training__steps": 5}, random_state=0)
    assert len(result.trials) == 2
    assert (result.detector.training.steps, result.detector.alpha, result.detector.kind_) == (5, 0.2, "images")


@pytest.fixture
def photographs(tmp_path):
    """Noise of two sizes, with stripes in the last two."""
    rng = np.random.default_rng(0)
    for i in range(12):
        pixels = rng.integers(100, 140, (90 + 6 * (i % 2), 80))
        pixels[:, ::20] += 90 * (i >= 10)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{i:02}.png")
    return read(tmp_path, lazy=True)


def test_photographs_are_tuned_at_their_own_size(photographs):
    normal, fixed = Data(photographs.x[:10]), {"feature_config__image_size": 64, "alpha": 0.5}
    for anomalies in (None, Data(photographs.x[10:])):
        found = tune(normal, "patchcore", fixed, anomalies=anomalies, n_folds=2, space={"memory_size": (20,)})
        assert found.detector.min_image_side == 8 and found.detector.shape_ == (90, 80)
        assert [trial.failure for trial in found.trials] == [None, None]
    assert found.chosen.auroc == 1


def test_a_detector_of_one_size_is_tuned_on_resized_photographs(photographs):
    normal, options = Data(photographs.x[:10]), {"fixed": {"alpha": 0.5}, "n_trials": 2, "n_folds": 2}
    for anomalies in (None, Data(photographs.x[10:])):
        found = tune(normal, "knn", anomalies=anomalies, **options)
        assert found.detector.shape_ == (93, 80)
        assert not any(trial.failure for trial in found.trials)


def test_blends_of_photographs_are_searched_among_parts_that_take_any_size(photographs):
    blend = create("blend")
    blend.prepare_for(photographs.x)
    values = tuning._default_space(blend, {}, photographs.x)["parts"]
    assert len(values) > 2 and all(parts is None or "patchcore" in parts for parts in values)
    small = np.zeros((4, 30, 30))
    blend.prepare_for(small)
    assert not any("patchcore" in parts for parts in tuning._default_space(blend, {}, small)["parts"] if parts)


def test_fixed_parameters_are_not_searched():
    result = tune(rows(100, 0), "knn", fixed={"n_neighbors": 3, "preprocessing__scaling": "minmax"}, random_state=0)
    assert [trial.parameters for trial in result.trials] == [{}]
    assert result.detector.n_neighbors == 3


def test_a_failed_trial_has_a_reason_and_does_not_end_the_search():
    result = tune(rows(100, 0), "knn", space={"n_neighbors": (0, 2)}, random_state=0)
    failed = next(trial for trial in result.trials if trial.parameters == {"n_neighbors": 0})
    assert "n_neighbors" in failed.failure and failed.fold_aurocs == ()
    assert len(result.trials) == 3


def test_no_trial_starts_after_the_timeout():
    assert len(tune(rows(100, 0), "knn", timeout=0, random_state=0).trials) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_folds": 1}, "at least one trial and two folds, got 20 and 1"),
        ({"n_folds": 60}, "two rows for each of 60 folds, got n_samples = 100"),
        ({"anomalies": [[1.0, 2.0, 3.0]]}, "at least two labelled anomalies, got 1"),
        ({"detector": "knm"}, "Did you mean 'knn'"),
        ({"fixed": {"n_neighbours": 3}}, "n_neighbors"),
    ],
)
def test_bad_input_is_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        tune(rows(100, 0), **{"detector": "knn", **options})


def test_equal_rows_are_refused():
    with pytest.raises(InvalidInputError, match="must differ"):
        tune(np.ones((30, 3)), "knn")


def test_if_every_trial_fails_the_first_reason_is_given():
    with pytest.raises(EgbadError, match="No trial could be fitted.*alpha must be in"):
        tune(rows(100, 0), "knn", fixed={"alpha": 2.0})


def test_the_verbosity_of_optuna_is_restored():
    before = optuna.logging.get_verbosity()
    try:
        for verbosity in (optuna.logging.INFO, optuna.logging.ERROR):
            optuna.logging.set_verbosity(verbosity)
            tune(rows(60, 0), "knn", n_trials=2)
            assert optuna.logging.get_verbosity() == verbosity
    finally:
        optuna.logging.set_verbosity(before)


def test_a_missing_optuna_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match="egbad\\[tune\\]"):
        tune(rows(60, 0), "knn")
