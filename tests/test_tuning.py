"""tune: anomalies made of normal rows, what is searched, how one is chosen, and that labels stay apart."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egbad import load, tuning
from egbad.cli import main
from egbad.detectors.registry import all_detectors, create
from egbad.errors import EgbadError, InvalidInputError
from egbad.tuning import Trial, made_anomalies, space


def tune(x, detector, fixed=None, **options):
    """With a false-alarm rate that so few rows allow."""
    return tuning.tune(x, detector, fixed={"alpha": 0.2, **(fixed or {})}, **options)


def rows(n, seed):
    """Three columns of which the first two go together."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    return np.column_stack([a, a + 0.1 * rng.normal(size=n), rng.normal(size=n)])


# -- made anomalies ----------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 40), d=st.integers(1, 9), seed=st.integers(0, 99))
def test_made_rows_are_of_other_rows_or_moved(n, d, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    x[:, d // 2 :] = 1.0 if d > 1 else x[:, d // 2 :]  # constant columns
    made = tuning._made_rows(x, rng)
    mixed, moved = made[::2], made[1::2]
    assert all(np.isin(mixed[:, j], x[:, j]).all() for j in range(d))
    away = np.abs(moved - x[1::2])
    spread = x.std(axis=0)
    changed = away > 0
    assert (changed.sum(axis=1) <= max(1, d // 4)).all()
    assert not changed[:, spread == 0].any()
    assert (away[changed] >= 2 * np.broadcast_to(spread, away.shape)[changed] - 1e-9).all()


@pytest.mark.parametrize("shape", [(12, 10), (3, 12, 10)])
def test_a_made_image_is_another_in_one_piece_only(shape):
    x = np.random.default_rng(0).random((20, *shape))
    made = made_anomalies(x, np.random.default_rng(1))
    assert len(made) == 20
    for image in made:
        source = x[np.argmin([(image != normal).sum() for normal in x])]
        ys, xs = np.nonzero((image != source).reshape(-1, 12, 10).any(axis=0))
        piece = image[..., ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
        assert piece.size == (image != source).sum()  # a whole rectangle
        assert np.isin(piece, x).all()


def test_what_is_made_is_no_normal_row():
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 10)  # every mixture is there already
    made = made_anomalies(x, np.random.default_rng(0))
    assert 0 < len(made) < 40
    assert not {tuple(row) for row in made} & {tuple(row) for row in x}


# -- what is searched --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(all_detectors()))
@pytest.mark.parametrize("shape", [(6,), (1, 28, 28)])
def test_every_value_that_is_searched_can_be_had(name, shape):
    detector = create(name)
    found = space(detector, shape)
    assert found, f"nothing is searched of {name}"
    usual = detector.settings_for(shape).model_dump()
    for parameter, values in found.items():
        assert values[0] is None and len(values) > 1
        for value in values[1:]:
            assert value != usual[parameter]
            assert getattr(create(name, **{parameter: value}).settings_for(shape), parameter) == value


# -- how one is chosen -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by_fold", "chosen"),
    [
        ([[0.8, 0.8, 0.8], [0.9, 0.9, 0.9], [0.95, 0.95, 0.95]], 2),
        ([[0.9, 0.9, 0.9], [0.8, 0.8, 0.8]], 0),
        ([[0.8, 0.8, 0.8], [0.9, 0.72, 0.8]], 0),  # a lead within its own noise
        ([[0.8, 0.8, 0.8], []], 0),
        ([[], [0.6, 0.6, 0.6]], 1),
    ],
)
def test_the_defaults_stay_unless_the_lead_is_above_its_noise(by_fold, chosen):
    assert tuning._choose(by_fold) == chosen


def test_labelled_anomalies_are_kept_apart():
    """A choice that only suits the anomalies it was made by is found out."""
    quiet = np.zeros(10)
    fits_first, fits_second = np.array([1.0, -1.0, 1.0, -1.0]), np.array([-1.0, 1.0, -1.0, 1.0])  # parts 0 1 0 1
    tried = [
        tuning._Tried(Trial({"which": i}, (), 0.0), ((quiet, strange), (quiet, strange)))
        for i, strange in enumerate([fits_first, fits_second])
    ]
    # without part 0 the second is chosen, and it is wrong about part 0; and the other way round
    assert tuning._cross_validated(tried, 4) == 0.0
    always = tuning._Tried(Trial({}, (), 0.0), ((quiet, np.ones(4)),) * 2)
    assert tuning._cross_validated([always, *tried], 4) == 1.0


# -- the search --------------------------------------------------------------------------------------------------------


def test_it_finds_what_suits_and_fits_with_it():
    x = rows(400, 0)
    tuned = tune(x, "pca", trials=20, random_state=0)
    assert tuned.trials[0].parameters == {}
    assert tuned.chosen in tuned.trials
    assert tuned.chosen.value >= tuned.trials[0].value
    assert len({json.dumps(t.parameters, sort_keys=True) for t in tuned.trials}) == len(tuned.trials)
    assert tuned.cross_validated is None
    assert "made" in tuned.judged_by
    own = {name: getattr(tuned.detector, name) for name in tuned.chosen.parameters}
    assert own == tuned.chosen.parameters
    assert tuned.detector.n_train_ + tuned.detector.n_calibration_ == 400
    plain = create("pca", random_state=0, alpha=0.1, **own).fit(x)
    assert np.array_equal(plain.anomaly_score(x), tuned.detector.anomaly_score(x)), "it is what fit makes of x"
    # a row whose columns don't go together is what PCA's small components see
    assert tuned.detector.anomaly_score([[1.0, -1.0, 0.0]]) > tuned.detector.anomaly_score([[1.0, 1.0, 0.0]])


def test_the_same_seed_makes_the_same_choice():
    first, again = (tune(rows(200, 0), "knn", trials=5, random_state=3) for _ in range(2))
    assert [t.parameters for t in first.trials] == [t.parameters for t in again.trials]
    assert [t.by_fold for t in first.trials] == [t.by_fold for t in again.trials]
    new = rows(20, 1)
    assert (first.detector.anomaly_score(new) == again.detector.anomaly_score(new)).all()


def test_labelled_anomalies_judge_and_are_not_learned_from():
    x = rows(300, 0)
    anomalies = np.array([[2.0, -2.0, 0.0], [-2.0, 2.0, 0.0], [1.5, -1.5, 1.0], [-1.0, 1.0, 0.5]])
    tuned = tune(x, "knn", anomalies=anomalies, trials=4, random_state=0)
    assert tuned.judged_by == "4 labelled anomalies"
    assert tuned.cross_validated is not None and 0.5 < tuned.cross_validated <= 1.0
    assert tuned.detector.n_train_ + tuned.detector.n_calibration_ == 300


def test_images_and_networks_are_tuned_too():
    images = np.random.default_rng(0).random((40, 8, 8))
    tuned = tune(images, "egbad", trials=2, folds=2, fixed={"training__steps": 5}, random_state=0)
    assert len(tuned.trials) == 2
    assert (tuned.detector.steps, tuned.detector.alpha, tuned.detector.kind_) == (5, 0.2, "images")


def test_what_is_fixed_is_not_searched():
    tuned = tune(rows(100, 0), "knn", fixed={"n_neighbors": 3, "preprocessing__scaling": "minmax"}, random_state=0)
    assert [trial.parameters for trial in tuned.trials] == [{}]
    assert tuned.detector.n_neighbors == 3


def test_a_trial_that_fails_is_told_and_the_others_go_on(monkeypatch):
    monkeypatch.setattr(tuning, "space", lambda *_: {"n_neighbors": (None, 0, 2)})
    tuned = tune(rows(100, 0), "knn", random_state=0)
    failed = next(trial for trial in tuned.trials if trial.parameters == {"n_neighbors": 0})
    assert "n_neighbors" in failed.failure and failed.by_fold == ()
    assert len(tuned.trials) == 3


def test_after_the_time_no_trial_begins():
    assert len(tune(rows(100, 0), "knn", seconds=0, random_state=0).trials) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "at least one trial and two folds, got 20 and 1"),
        ({"folds": 60}, "two rows for each of 60 folds, got n_samples = 100"),
        ({"anomalies": [[1.0, 2.0, 3.0]]}, "at least two labelled anomalies, got 1"),
        ({"detector": "knm"}, "Did you mean 'knn'"),
        ({"fixed": {"n_neighbours": 3}}, "n_neighbors"),
    ],
)
def test_bad_input_is_told_in_a_sentence(options, message):
    with pytest.raises(InvalidInputError, match=message):
        tune(rows(100, 0), **{"detector": "knn", **options})


def test_rows_that_are_all_alike_make_no_anomalies():
    with pytest.raises(InvalidInputError, match="must differ"):
        tune(np.ones((30, 3)), "knn")


def test_where_nothing_can_be_fitted_the_reason_is_told():
    with pytest.raises(EgbadError, match="No trial could be fitted.*alpha must be in"):
        tune(rows(100, 0), "knn", fixed={"alpha": 2.0})


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path):
    x = rows(150, 0)
    x[-20:, 1] *= -1
    lines = [f"{a},{b},{c},{'odd' if i >= 130 else 'fine'}" for i, (a, b, c) in enumerate(x.tolist())]
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(["a,b,c,y", *lines]))
    return file


def test_the_command_says_what_was_used(table, tmp_path, capsys):
    model = tmp_path / "m.egbad"
    arguments = ["tune", str(table), "--out", str(model), "--detector", "knn", "--trials", "4", "--set", "alpha=0.1"]
    assert main([*arguments, "--label-column", "y", "--normal", "fine", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["judged_by"] == "20 labelled anomalies"
    assert 0.5 < told["cross_validated"] <= 1
    assert told["auroc"] >= told["auroc_of_defaults"]
    assert len(told["trials"]) == 4
    assert load(model).alpha == 0.1
    assert main([*arguments, "--label-column", "y", "--normal", "fine"]) == 0
    out, err = capsys.readouterr()
    assert "the defaults" in out and "chosen" in out
    assert "no part in the choice" in " ".join(err.split())


def test_without_optuna_it_says_how_to_get_it(table, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["tune", str(table), "--out", str(tmp_path / "m.egbad")]) == 2
    assert "pip install 'egbad[tune]'" in capsys.readouterr().err
