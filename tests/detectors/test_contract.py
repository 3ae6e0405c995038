"""The contract of every detector: scikit-learn's checks and our promises. Detectors are found in the registry."""

import inspect
import io
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from egbad import load
from egbad.detectors.base import TorchDetector
from egbad.detectors.registry import all_detectors, detectors_of_rows
from egbad.errors import CalibrationWarning, ColumnsWarning, InvalidInputError, InvalidTypeError, LearnedRowsWarning

# So short that a check takes well under a second; the checks do not need good scores.
QUICK = {"training__steps": 8, "encoder_steps": 8, "search_steps": 3, "n_starts": 2}
# Enough for checks that do not look at the values of scores.
SHORTEST = {"training__steps": 2, "encoder_steps": 2, "search_steps": 1}
# Enough to learn `factor_rows`; the number of search steps is the default.
TRAINED = {"training__steps": 500, "encoder_steps": 500}
UNTRAINED = {"training__steps": 0, "encoder_steps": 0}
# AUROC that a trained detector must have above an untrained one.
MARGIN = 0.05

DETECTORS = sorted(detectors_of_rows())


def quick(name, **options):
    return create_detector(name, **(QUICK | options))


def create_detector(name, **options):
    """Return a detector with the options that it has."""
    known = all_detectors()[name]().get_params()
    return all_detectors()[name]().set_params(
        **{k: v for k, v in {"random_state": 0, "alpha": 0.05, "detector": "pca", **options}.items() if k in known}
    )


def rows(n, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) @ np.array([[1.0, 2.0, 0.5, 0.0, -1.0], [0.3, -1.0, 2.0, 1.0, 0.0]]) + rng.normal(
        scale=0.1, size=(n, 5)
    )


def factor_rows(n, seed, *, shuffled=False):
    """Twelve columns that depend on two numbers. Shuffled rows have each column from another row, times 1.5."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)) @ np.random.default_rng(12).normal(size=(2, 12)) + rng.normal(scale=0.1, size=(n, 12))
    return 1.5 * np.stack([rng.permutation(column) for column in x.T], axis=1) if shuffled else x


def factor_auroc(detector):
    x = np.concatenate([factor_rows(300, 1), factor_rows(300, 2, shuffled=True)])
    return roc_auc_score(np.repeat([0, 1], 300), detector.anomaly_score(x))


def pictures(n, seed, channels=()):
    return np.random.default_rng(seed).integers(0, 256, (n, *channels, 12, 10)).astype(np.uint8)


@pytest.fixture(scope="module", params=DETECTORS)
def fitted(request):
    return quick(request.param).fit(rows(400, 0))


@pytest.fixture(scope="module", params=DETECTORS)
def fitted_on_images(request):
    return quick(request.param).fit(pictures(200, 0))


@pytest.fixture(scope="module", params=["rows", "images"])
def fitted_with_draw(request, fitted):
    """A fitted detector and the function that draws its input."""
    if request.param == "rows":
        return fitted, rows
    return clone(fitted).fit(pictures(200, 0)), pictures


@pytest.mark.filterwarnings("ignore::egbad.errors.CalibrationWarning")  # the checks fit on few rows
@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")
@parametrize_with_checks(
    [quick(name, alpha=0.1, **SHORTEST) for name in DETECTORS],
    expected_failed_checks=lambda estimator: {
        "check_outliers_fit_predict": "fit_predict scores out of fold, so it differs from fit(X).predict(X)"
    },
)
def test_scikit_learn(estimator, check):
    check(estimator)


# -- one row, one score ------------------------------------------------------------------------------------------------


def test_the_bits_of_a_score_do_not_depend_on_other_rows(fitted_with_draw):
    detector, draw = fitted_with_draw
    x = draw(700 if draw is rows else 70, 1)
    scores = detector.anomaly_score(x)
    order = np.random.default_rng(0).permutation(len(x))
    assert np.array_equal(detector.anomaly_score(x[order]), scores[order])
    for size in (1, 3, 64, 257):
        parts = [detector.anomaly_score(x[i : i + size]) for i in range(0, min(len(x), 3 * size), size)]
        assert np.array_equal(np.concatenate(parts), scores[: sum(map(len, parts))]), size
    assert np.array_equal(detector.anomaly_score(np.concatenate([x[:5]] * 3)), np.tile(scores[:5], 3))
    for layout in (np.asfortranarray(x), x[::-1].copy()[::-1]):
        assert np.array_equal(detector.anomaly_score(layout), scores), "the layout in memory must not matter"


def test_the_bits_of_a_score_do_not_depend_on_the_number_of_threads(fitted_with_draw):
    detector, draw = fitted_with_draw
    x, threads = draw(700 if draw is rows else 70, 1), torch.get_num_threads()
    scores = []
    for number in (1, 2, 3):
        torch.set_num_threads(number)
        with threadpool_limits(number):
            scores.append(detector.anomaly_score(x))
        assert torch.get_num_threads() == number
    torch.set_num_threads(threads)
    assert np.array_equal(scores[0], scores[1]) and np.array_equal(scores[0], scores[2])


@pytest.mark.parametrize("name", [n for n in DETECTORS if issubclass(all_detectors()[n], TorchDetector)])
def test_the_bits_of_an_ensembles_scores_do_not_depend_on_the_number_of_rows(name):
    x = rows(2300, 1)
    detector = quick(name, members=2, device="cpu").fit(rows(200, 0))
    for _ in range(2):  # larger chunks are used where they have the same bits
        scores = detector.anomaly_score(x)
        assert np.array_equal(scores[2000:2100], detector.anomaly_score(x[2000:2100]))
    copied = pickle.loads(pickle.dumps(detector))
    assert np.array_equal(copied.anomaly_score(x), scores)
    with torch.no_grad():
        for values in detector.model_.parameters():
            values *= 1.01
    other = detector.anomaly_score(x)
    assert np.array_equal(other[:100], detector.anomaly_score(x[:100])) and not np.array_equal(other, scores)


@pytest.mark.parametrize("draw", [rows, pictures], ids=["rows", "images"])
@pytest.mark.parametrize("name", [n for n in DETECTORS if issubclass(all_detectors()[n], TorchDetector)])
def test_a_member_has_the_same_bits_alone_and_among_others(name, draw):
    x, new = draw(200, 0), draw(9, 1)
    size = int(np.random.default_rng().integers(2, 129))  # bits must be equal for every batch size
    # On a GPU all members draw from one generator.
    options = {"device": "cpu", "training__batch_size": size}
    three, one = (quick(name, members=members, **options).fit(x) for members in (3, 1))
    assert len(set(three.seeds_)) == 3 and three.seeds_[0] == one.seeds_[0]
    alone = one.model_.state_dict()
    differing = [key for key, value in three.model_.state_dict().items() if not torch.equal(value[:1], alone[key])]
    assert not differing, f"batches of {size}"
    for player in set(one.history_) - {"step"}:
        assert np.array_equal(three.history_[player][:, 0], one.history_[player][:, 0], equal_nan=True)
    encoded = one.encoder_.encode(new)
    (of_one, n), (of_three, _) = (next(detector._runner.chunks(encoded)) for detector in (one, three))
    with torch.no_grad():
        terms, stacked_terms = one.model_.score_terms(of_one), three.model_.score_terms(of_three)
    for term, values in terms.items():
        stacked = stacked_terms[term]
        assert torch.equal(stacked[:1, :n], values[:, :n])
        if not three.range_guard_:
            mean = stacked.double().mean(0)[:n].numpy()
            assert np.array_equal(three.score_terms(new)[term][:n], mean), "a score is the mean over members"
            spread = sum(values.double() for values in stacked_terms.values())[:, :n].std(0).numpy()
            assert three.score_spread(new) == pytest.approx(spread)
        own = three.member_score_terms(new)[term]
        assert own.shape == (3, 9)
        assert np.array_equal(own[:, :n], stacked.double()[:, :n].numpy())
    assert three.score_spread(new).shape == (9,)
    with pytest.raises(InvalidInputError, match="score_spread needs at least two members"):
        one.score_spread(new)


def test_a_loaded_detector_equals_the_saved_one(fitted_with_draw, tmp_path):
    detector, draw = fitted_with_draw
    x = draw(20, 1)
    detector.save(tmp_path / "model.egbad")
    again = load(tmp_path / "model.egbad")
    assert hasattr(again, "reconstruct") == hasattr(detector, "reconstruct")
    for answer in ("anomaly_score", "p_value", "predict", "decision_function", "reconstruct"):
        if hasattr(detector, answer):
            assert np.array_equal(getattr(again, answer)(x), getattr(detector, answer)(x)), answer
    assert again.describe() == detector.describe()
    again.save(tmp_path / "again.egbad")
    assert (tmp_path / "again.egbad").read_bytes() == (tmp_path / "model.egbad").read_bytes()


def test_the_same_row_scores_the_same_from_any_table(fitted):
    x = rows(30, 1)
    names = [f"c{i}" for i in range(5)]
    detector = clone(fitted).fit(pd.DataFrame(rows(400, 0), columns=names))
    frame = pd.DataFrame(x, columns=names)
    scores = detector.anomaly_score(frame)
    for table in (pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        assert np.array_equal(detector.anomaly_score(table), scores)
    assert np.array_equal(fitted.anomaly_score(x), scores)
    assert np.array_equal(fitted.anomaly_score(x.tolist()), scores)


@pytest.mark.parametrize("name", DETECTORS)
def test_the_same_seed_gives_the_same_bits_and_touches_no_global_state(name):
    x, probe = rows(200, 0), rows(20, 1)
    np.random.seed(7)
    torch.manual_seed(7)
    states = np.random.get_state()[1].copy(), torch.get_rng_state(), torch.get_num_threads(), torch.get_default_dtype()
    first = quick(name).fit(x).anomaly_score(probe)
    assert np.array_equal(np.random.get_state()[1], states[0])
    assert torch.equal(torch.get_rng_state(), states[1])
    assert (torch.get_num_threads(), torch.get_default_dtype()) == states[2:]
    assert np.array_equal(quick(name).fit(x).anomaly_score(probe), first)
    assert not np.array_equal(quick(name, random_state=1).fit(x).anomaly_score(probe), first)


@pytest.mark.parametrize("name", DETECTORS)
def test_the_seed_of_a_fit_without_random_state_reproduces_it(name):
    x, probe = rows(200, 0), rows(20, 1)
    unset = quick(name, random_state=None).fit(x)
    again = quick(name, random_state=unset.seed_).fit(x)
    assert np.array_equal(again.anomaly_score(probe), unset.anomaly_score(probe))


# -- signs, terms, thresholds ------------------------------------------------------------------------------------------


def test_terms_add_up_and_signs_follow_scikit_learn(fitted):
    x = rows(50, 1) * np.linspace(1, 5, 50)[:, None]
    scores = fitted.anomaly_score(x)
    assert np.array_equal(sum(fitted.score_terms(x).values()), scores)
    assert np.array_equal(fitted.score_samples(x), -scores)
    assert np.array_equal(fitted.decision_function(x), -scores - fitted.offset_)
    assert np.array_equal(fitted.predict(x) == -1, scores > fitted.threshold_)
    assert fitted.offset_ == -fitted.threshold_


def test_anomalies_have_a_p_value_of_at_most_alpha(fitted):
    x = rows(300, 1) * np.linspace(0.5, 3, 300)[:, None]
    assert np.array_equal(fitted.predict(x) == -1, fitted.p_value(x) <= fitted.alpha)
    assert 0 < fitted.p_value(x).min() <= fitted.p_value(x).max() <= 1


@pytest.mark.parametrize("alpha", [0.02, 0.05, 0.2])
@pytest.mark.parametrize("name", DETECTORS)
def test_new_normal_rows_are_flagged_at_about_alpha(name, alpha):
    detector = quick(name, alpha=alpha, calibration_fraction=0.5).fit(rows(4000, 0))
    flagged = np.mean(detector.predict(rows(4000, 1)) == -1)
    # Five standard deviations of a share over 4,000 rows with a threshold from 2,000.
    assert abs(flagged - alpha) < 5 * np.sqrt(alpha * (1 - alpha) * (1 / 4000 + 1 / 2000))


def test_discoveries_are_nearly_all_anomalies_and_few_normal_rows(fitted):
    detector = clone(fitted).set_params(calibration_fraction=0.5).fit(rows(2000, 0))
    x = np.concatenate([rows(200, 1), rows(20, 2) * 30])
    discovered = detector.discoveries(x, fdr=0.1)
    assert discovered[200:].mean() > 0.9
    assert discovered[:200].sum() <= 10
    with pytest.raises(InvalidInputError, match=r"fdr must be in \(0, 1\), got 2"):
        detector.discoveries(x, fdr=2)


@pytest.mark.filterwarnings("error::egbad.errors.LearnedRowsWarning")
def test_scores_of_training_rows_come_with_a_warning(fitted_with_draw, tmp_path):
    detector, draw = fitted_with_draw
    x, new = draw(400 if draw is rows else 200, 0)[:50], draw(20, 1)
    detector.predict(new)
    detector.save(tmp_path / "m.egbad")
    for scorer in (detector, load(tmp_path / "m.egbad")):
        for method in (scorer.score_terms, scorer.p_value):
            with pytest.warns(LearnedRowsWarning, match="trained on some of these rows.*use fit_predict"):
                method(x)


@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")
@pytest.mark.parametrize("name", DETECTORS)
def test_fit_predict_finds_anomalies_among_the_training_rows(name):
    x = np.concatenate([rows(180, 0), np.random.default_rng(1).uniform(-30, 30, size=(20, 5))])
    detector = quick(name, alpha=0.1, device="cpu")
    predicted = detector.fit_predict(x, n_folds=2)
    assert (predicted == -1).sum() <= 20 and (predicted[180:] == -1).sum() >= 14
    assert roc_auc_score(np.arange(200) >= 180, detector.decision_scores_) > 0.9


@pytest.fixture(scope="module", params=DETECTORS)
def trained(request):
    return create_detector(request.param, **TRAINED).fit(factor_rows(2000, 0))


def test_it_finds_rows_whose_columns_do_not_fit_each_other(trained):
    assert factor_auroc(trained) > 0.9


def test_training_improves_the_scores(trained):
    if isinstance(trained, TorchDetector):
        untrained = create_detector(trained.name, **UNTRAINED).fit(factor_rows(2000, 0))
        assert factor_auroc(trained) > factor_auroc(untrained) + MARGIN


def test_scores_do_not_fall_with_the_distance_from_normal_rows(trained):
    for start, direction in zip(factor_rows(5, 3), np.random.default_rng(4).normal(size=(5, 12)), strict=True):
        scores = trained.anomaly_score(start + np.array([[0], [3], [10], [30], [100]]) * direction)
        assert (np.diff(scores) >= 0).all()


@pytest.mark.parametrize("name", DETECTORS)
def test_too_few_calibration_rows_for_alpha_are_one_warning(name):
    with pytest.warns(CalibrationWarning, match="alpha=0.01 needs at least 99 calibration rows, got 20") as warned:
        quick(name, alpha=0.01).fit(rows(200, 0))
    assert len(warned) == 1 and warned[0].filename == __file__


def test_the_threshold_follows_alpha(fitted):
    x, detector = rows(300, 1) * np.linspace(0.5, 3, 300)[:, None], clone(fitted).fit(rows(400, 0))
    shares = []
    for alpha in (0.05, 0.3, 0.6):
        detector.set_params(alpha=alpha)
        assert np.array_equal(detector.predict(x) == -1, detector.p_value(x) <= alpha)
        assert detector.describe()["threshold"] == detector.threshold_
        shares.append(np.mean(detector.predict(x) == -1))
    assert shares == sorted(set(shares))
    with pytest.raises(InvalidInputError, match=r"alpha must be in \(0, 1\), got 2."):
        detector.set_params(alpha=2).predict(x)


@pytest.mark.parametrize("name", DETECTORS)
def test_invalid_parameters_are_refused_without_data(name):
    for recipe in all_detectors()[name].recipes:
        quick(name, recipe=recipe).check_parameters()
    for parameters, message in (
        ({"alpha": 2}, r"alpha must be in \(0, 1\), got 2."),
        ({"calibration_fraction": 0}, r"calibration_fraction must be in \(0, 1\), got 0."),
        ({"n_exemplars": -1}, "n_exemplars must be at least 0, got -1."),
        ({"preprocessing__trim_fraction": 0.9}, "trim_fraction: input should be less than 0.5, got 0.9."),
    ):
        detector = quick(name, **parameters)
        for check in (detector.check_parameters, lambda detector=detector: detector.fit(None)):
            with pytest.raises(InvalidInputError, match=message):
                check()


@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")
@pytest.mark.parametrize("draw", [rows, pictures], ids=["rows", "images"])
@pytest.mark.parametrize("name", DETECTORS)
def test_the_default_dtype_of_torch_changes_nothing(name, draw, tmp_path):
    x, probe = draw(60, 0), draw(9, 1)

    def results():
        detector = quick(name, alpha=0.3, device="cpu", training__steps=3, encoder_steps=3).fit(x)
        detector.save(tmp_path / "m.egbad")
        explanation = detector.explain(probe)
        return detector.anomaly_score(probe), explanation.shares, load(tmp_path / "m.egbad").anomaly_score(probe)

    wanted = results()
    torch.set_default_dtype(torch.float64)
    try:
        found = results()
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_several_threads_score_and_explain_at_once_with_the_same_bits(fitted):
    x = rows(40, 1)
    scores, shares = fitted.anomaly_score(x), fitted.explain(x).shares
    with ThreadPoolExecutor(4) as pool:
        scored, explained = (
            [pool.submit(work) for _ in range(4)]
            for work in (lambda: fitted.anomaly_score(x), lambda: fitted.explain(x).shares)
        )
    assert all(np.array_equal(future.result(), scores) for future in scored)
    assert all(np.array_equal(future.result(), shares) for future in explained)


def test_explanations_have_the_same_bits_at_every_call_and_for_any_other_rows(fitted_with_draw):
    detector, draw = fitted_with_draw
    x = draw(300 if draw is rows else 40, 1)
    shares = detector.explain(x).shares
    assert np.array_equal(detector.explain(x).shares, shares)
    for part in (slice(0, 1), slice(3, 8), slice(0, 33)):
        assert np.array_equal(detector.explain(x[part]).shares, shares[part]), part


@pytest.mark.parametrize("name", DETECTORS)
def test_it_works_in_pipeline_grid_search_and_pickle(name):
    x, y = np.concatenate([rows(200, 0), rows(20, 1) * 20]), np.repeat([1, -1], [200, 20])
    pipeline = make_pipeline(StandardScaler(), quick(name)).fit(x[:200])
    assert pipeline.predict(x).shape == (220,)
    scaled = pipeline[:-1].transform(x)
    assert np.array_equal(pipeline[-1].anomaly_score(scaled), -pipeline.score_samples(x))
    assert pipeline[-1].p_value(scaled).shape == (220,)

    def score(estimator, X, labels):
        return roc_auc_score(labels, estimator.score_samples(X))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        grid = GridSearchCV(quick(name), {"alpha": [0.05, 0.1]}, scoring=score, cv=StratifiedKFold(2)).fit(x, y)
    assert 0.5 < grid.best_score_ <= 1
    again = pickle.load(io.BytesIO(pickle.dumps(pipeline[-1])))
    assert np.array_equal(again.anomaly_score(x), pipeline[-1].anomaly_score(x))


def test_trimming_drops_a_fraction_of_the_training_rows(fitted):
    outliers = rows(20, 5) * np.array([1, -1, 1, -1, 1]) * 20
    x = np.concatenate([rows(380, 0), outliers])
    detector = clone(fitted).set_params(preprocessing__trim_fraction=0.1).fit(x)
    kept = round(0.9 * (400 - detector.n_calibration_))
    assert detector.n_train_ == kept
    assert np.array_equal(clone(detector).fit(x).anomaly_score(outliers), detector.anomaly_score(outliers))
    with pytest.raises(InvalidInputError, match=r"trim_fraction: input should be less than 0.5, got 0.5"):
        clone(fitted).set_params(preprocessing__trim_fraction=0.5).fit(x)


# -- documentation -----------------------------------------------------------------------------------------------------


def documented(docstring, section):
    """Return the names in a numpydoc section: "a, b : type" documents a and b."""
    lines = inspect.cleandoc(docstring).splitlines()
    start = next(i for i, line in enumerate(lines) if line == section) + 2
    ends = [i for i in range(start, len(lines) - 1) if lines[i + 1] and set(lines[i + 1]) == {"-"}]
    headers = [line for line in lines[start : min(ends, default=len(lines))] if line and not line.startswith(" ")]
    return [name.strip() for header in headers for name in header.split(" : ")[0].split(",")]


@pytest.mark.parametrize("name", DETECTORS)
def test_every_parameter_is_documented_once(name):
    parameters = documented(all_detectors()[name].__doc__, "Parameters")
    assert sorted(parameters) == sorted(all_detectors()[name]().get_params(deep=False))


def test_documented_attributes_exist_after_fit(fitted):
    attributes = documented(type(fitted).__doc__, "Attributes")
    assert {"settings_", "threshold_", "seed_"} <= set(attributes)
    assert all(hasattr(fitted, attribute) for attribute in attributes)


@pytest.mark.parametrize("name", DETECTORS)
def test_documented_defaults_are_those_of_the_constructor(name):
    lines = inspect.cleandoc(all_detectors()[name].__doc__).splitlines()
    detector = all_detectors()[name]()
    for line in lines:
        if " : " in line and not line.startswith(" "):
            names, kind = line.split(" : ")
            for parameter in names.split(", "):
                if hasattr(type(detector), parameter) and parameter in detector.get_params(deep=False):
                    default = kind.rpartition("default=")[2].strip('"') if "default=" in kind else "None"
                    assert str(getattr(detector, parameter)) == default, parameter


# -- images ------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")  # two steps are not enough
@pytest.mark.parametrize("shape", [(8, 8), (3, 16, 9), (128, 40), (5, 31, 31)])
@pytest.mark.parametrize("name", DETECTORS)
def test_images_of_any_size_and_any_number_of_channels(name, shape):
    x = np.random.default_rng(0).normal(size=(40, *shape))
    detector = quick(name, alpha=0.3, **SHORTEST).fit(x)
    assert np.isfinite(detector.anomaly_score(x[:3])).all()
    if hasattr(detector, "reconstruct"):
        assert detector.reconstruct(x[:3]).shape == (3, *shape)


def test_images_of_another_size_are_refused(fitted_on_images):
    with pytest.raises(InvalidInputError, match=r"was fitted on images of shape \(12, 10\), got \(12, 12\)"):
        fitted_on_images.anomaly_score(np.zeros((2, 12, 12)))
    with pytest.raises(InvalidInputError, match=r"was fitted on images of shape \(12, 10\), got \(120,\)"):
        fitted_on_images.anomaly_score(np.zeros((2, 120)))
    with pytest.raises(
        InvalidInputError, match=r"takes stacks of images, got one image of shape \(12, 10\). Pass X\[None\]"
    ):
        fitted_on_images.anomaly_score(np.zeros((12, 10)))


def test_anomaly_maps_have_the_size_and_the_bits_of_their_images(fitted_on_images):
    x = pictures(5, seed=1)
    maps = fitted_on_images.anomaly_map(x)
    assert maps.shape == x.shape and np.isfinite(maps).all()
    np.testing.assert_array_equal(maps, np.concatenate([fitted_on_images.anomaly_map(x[i : i + 1]) for i in range(5)]))


def test_grey_images_may_have_a_channel_axis(fitted_on_images):
    x = np.random.default_rng(5).uniform(0, 1, (3, 12, 10)).astype(np.float32)
    expected = fitted_on_images.anomaly_score(x)
    for same in (x[:, np.newaxis], x[..., np.newaxis]):
        np.testing.assert_array_equal(fitted_on_images.anomaly_score(same), expected)


@pytest.mark.parametrize("too_large", [False, True])
def test_images_too_small_or_too_large_are_refused(too_large, fitted):
    side = fitted.max_side + 1 if too_large else 7
    with pytest.raises(InvalidInputError, match=f"8 to {fitted.max_side} pixels high and wide, got 16 x {side}"):
        clone(fitted).fit(np.zeros((9, 16, side)))


# -- extreme numbers ---------------------------------------------------------------------------------------------------

MAX, TINY, LARGEST_SINGLE = np.finfo(np.float64).max, np.finfo(np.float64).tiny, float(np.finfo(np.float32).max)
LONG_MIN, LONG_MAX = np.iinfo(np.int64).min, np.iinfo(np.int64).max
EXTREMES = [0.0, -0.0, 1e300, -1e300, MAX, -MAX, 1e-300, 5e-324, TINY, 1.5 * LARGEST_SINGLE, -1.5 * LARGEST_SINGLE]
EXTREMES += [float(LONG_MAX), float(LONG_MIN), 1e150, 1e16 + 1]

LEARNED_COLUMNS = {
    "large": [1e149, -1e149, 3e148],
    "small": [1e-300, -2e-300, 0],
    "subnormal": [5e-324, 0, -1e-320],
    "zeros": [-0.0, 0.0],
    "constant": [1e149],
    "single precision overflow": [2 * LARGEST_SINGLE, -3 * LARGEST_SINGLE, 1.0],
    "int64": [LONG_MAX, LONG_MIN, 0],
    "huge beside tiny": [1e140, *[1e-140, -3e-140] * 20],
    "outlier": [*np.linspace(-1, 1, 29), 1e149],
    "missing": [np.nan],
}
REFUSED_COLUMNS = {
    "too large": ([1e300, 0], "between -1e.150 and 1e.150, got 1e.300 in row 0, column 1"),
    "largest": ([MAX, -MAX], "between -1e.150 and 1e.150, got 1.79769e.308 in row 0, column 1"),
    "infinite": ([0, -np.inf], "got infinity in row 1, column 1"),
    "beyond double precision": (np.array([0, "1e4000"], dtype=np.longdouble), "got infinity in row 1, column 1"),
}


def with_column(values, n=60, dtype=np.float64):
    x = rows(n, 0)[:, :3].astype(dtype)
    x[:, 1] = np.resize(np.array(values, dtype=dtype), n)
    return x


def with_extremes(x):
    """Repeat the first rows or images with an extreme number in each place of a few, one at a time."""
    copies = np.tile(x[:3], (len(EXTREMES), *(1,) * (x.ndim - 1)))
    for i, value in enumerate(EXTREMES):
        for j in range(3):
            copies[3 * i + j].reshape(-1)[j] = value
    return copies


def assert_scores_are_finite(detector, x):
    scores = detector.anomaly_score(x)
    assert np.isfinite(scores).all()
    assert np.array_equal(np.isin(detector.predict(x), [-1, 1]), np.ones(len(x), dtype=bool))
    explanation = detector.explain(x)
    assert np.isfinite(explanation.shares).all() and np.allclose(explanation.score, scores, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")  # two steps are not enough
@pytest.mark.parametrize("name", DETECTORS)
def test_scores_of_extreme_numbers_are_finite(name):
    for kind, values in LEARNED_COLUMNS.items():
        x = with_column(values)
        detector = create_detector(name, alpha=0.3, **SHORTEST).fit(x)
        assert_scores_are_finite(detector, x), kind
        assert_scores_are_finite(detector, with_extremes(x)), kind
    detector = create_detector(name, alpha=0.3, **SHORTEST)
    for dtype in (np.int64, np.uint64, np.float32, np.float16):
        limits = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else np.finfo(dtype)
        x = with_column([limits.max, limits.min], dtype=dtype)
        assert_scores_are_finite(detector.fit(x), x)
    unscaled = create_detector(name, alpha=0.3, preprocessing__scaling="none", **SHORTEST)
    x = with_column(LEARNED_COLUMNS["large"])
    assert_scores_are_finite(unscaled.fit(x), with_extremes(x))
    with pytest.raises(InvalidInputError, match="got infinity in row 2, column 0"):
        detector.anomaly_score(np.array([[0, 0, 0], [MAX] * 3, [np.inf] * 3]))


@pytest.mark.parametrize(("values", "message"), REFUSED_COLUMNS.values(), ids=REFUSED_COLUMNS)
@pytest.mark.parametrize("name", DETECTORS)
def test_numbers_too_large_to_learn_from_are_refused(name, values, message):
    with pytest.raises(InvalidInputError, match=message) as refused:
        create_detector(name, **SHORTEST).fit(with_column(values, dtype=np.asarray(values).dtype))
    assert "\n" not in str(refused.value)


@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")
@pytest.mark.parametrize("name", DETECTORS)
def test_scores_of_extreme_pixels_are_finite(name):
    images = np.random.default_rng(0).normal(size=(30, 8, 8))
    for x in (images, images * 1e25, images * 1e-25, np.full_like(images, 1e29)):
        detector = create_detector(name, alpha=0.3, **SHORTEST).fit(x)
        assert_scores_are_finite(detector, with_extremes(x))


@pytest.mark.parametrize(("factor", "offset"), [(1e31, 0), (1e-40, 0), (1.0, 1e12)])
@pytest.mark.parametrize("name", DETECTORS)
def test_pixels_that_single_precision_cannot_hold_are_refused(name, factor, offset):
    images = np.random.default_rng(0).normal(size=(30, 8, 8)) * factor + offset
    with pytest.raises(InvalidInputError, match="Pixel values to learn from must lie between .* Rescale the images"):
        create_detector(name, **SHORTEST).fit(images)


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error", "ignore::egbad.errors.CalibrationWarning", "ignore::egbad.errors.HealthWarning")
@pytest.mark.parametrize("draw", [rows, pictures], ids=["rows", "images"])
@pytest.mark.parametrize("name", DETECTORS)
def test_two_rows_are_enough_to_fit(name, draw):
    assert np.isfinite(quick(name).fit(draw(2, 0)).anomaly_score(draw(9, 1))).all()


def test_errors_name_invalid_rows(fitted):
    x = rows(9, 1)
    x[4, 2] = -np.inf
    with pytest.raises(InvalidInputError, match="got infinity in row 4, column 2"):
        fitted.anomaly_score(x)
    x[3, 1] = np.inf
    with pytest.raises(InvalidInputError, match="got infinity in row 3, column 'b'"):
        clone(fitted).fit(pd.DataFrame(x, columns=list("abcde")))
    with pytest.raises(InvalidInputError, match="at least two rows.*got n_samples = 1"):
        clone(fitted).fit(x[:1])
    with pytest.raises(InvalidInputError, match=r"0 sample\(s\)"):
        clone(fitted).fit(x[:0])
    with pytest.raises(InvalidInputError, match="X has 4 features, but .* is expecting 5 features"):
        fitted.anomaly_score(rows(3, 1)[:, :4])
    with pytest.raises(InvalidTypeError, match="sparse"):
        fitted.anomaly_score(csr_matrix(rows(3, 1)))


def test_errors_name_invalid_columns(fitted):
    frame = pd.DataFrame(rows(200, 0), columns=list("abcde"))
    detector = clone(fitted).fit(frame)
    with pytest.raises(InvalidInputError, match="Column 'd' must hold numbers, as it did .*, got categories"):
        detector.predict(frame.assign(d="text"))
    with pytest.raises(InvalidInputError, match="unseen at fit time:\n- z\n"):
        detector.predict(frame.rename(columns={"a": "z"}))
    with pytest.warns(ColumnsWarning, match="in another order: they are matched by name"):
        assert np.array_equal(detector.predict(frame[list("edcba")]), detector.predict(frame))


def test_a_constant_column_is_accepted(fitted):
    x = rows(200, 0)
    x[:, 3] = 7.0
    detector = clone(fitted).fit(x)
    assert np.isfinite(detector.anomaly_score(x)).all()
    moved = x[:20] + np.array([0, 0, 0, 1.0, 0])
    assert detector.anomaly_score(moved).mean() > detector.anomaly_score(x[:20]).mean()


@pytest.mark.parametrize("x", [rows(400, 0), pictures(60, 0)], ids=["rows", "images"])
@pytest.mark.parametrize("name", DETECTORS)
def test_the_input_is_never_written_to(name, x):
    before = x.copy()
    x.flags.writeable = False
    quick(name, alpha=0.3).fit(x).score_terms(x)
    assert np.array_equal(x, before)
