"""Guarantee, power, ties and saved states of the conformal test martingale."""

import json

import numpy as np
import pytest
from scipy import integrate, stats

from egbad.errors import InvalidInputError
from egbad.scoring.martingales import ConformalMartingale, bets


def play(rng, n_calibration, n_rows, *, shift=0.0, level=0.1, decimals=None):
    """Return a martingale of normal calibration scores after rows that are shifted."""
    scores = rng.normal(size=n_calibration + n_rows)
    scores[n_calibration:] += shift
    if decimals is not None:
        scores = scores.round(decimals)
    martingale = ConformalMartingale(np.sort(scores[:n_calibration]), level, seed=int(rng.integers(2**31)))
    martingale.update(scores[n_calibration:])
    return martingale


def test_each_bet_is_a_density():
    mean = [integrate.quad(lambda p, i=i: bets(np.array([p]))[0, i], 0, 1)[0] for i in range(7)]
    assert mean == pytest.approx(np.ones(7), abs=1e-6)


@pytest.mark.parametrize(("m", "decimals"), [(50, None), (200, None), (50, 0)], ids=["50", "200", "ties"])
def test_false_alarms_are_as_rare_as_the_level_says(m, decimals):
    rng = np.random.default_rng(0)
    alarms = sum(play(rng, m, 600, decimals=decimals).alarm_row is not None for _ in range(200))
    assert alarms <= stats.binom.ppf(0.999, 200, 0.1)


def test_p_values_are_uniform_and_independent_although_the_calibration_set_is_small():
    rng = np.random.default_rng(1)
    p = []
    for seed in range(300):
        scores = rng.exponential(size=3 + 40)
        martingale = ConformalMartingale(np.sort(scores[:3]), seed=seed)
        cells = martingale._cells(scores[3:], np.zeros(40))
        p.append(martingale._p_values(cells, 1 - rng.random(40)))
    assert stats.kstest(np.concatenate(p), "uniform").pvalue > 0.01
    assert abs(stats.spearmanr(np.array(p)[:, :-1].ravel(), np.array(p)[:, 1:].ravel()).statistic) < 0.03


def test_a_p_value_ranks_a_row_among_calibration_rows_and_earlier_rows():
    martingale = ConformalMartingale(np.array([1.0, 2.0, 3.0]))
    cells = martingale._cells(np.array([2.5, 2.6, 9.0, 0.0]), np.zeros(4))
    assert cells.tolist() == [2, 2, 3, 0]
    expected = [(1 + 0.5) / 4, (1 + 0.5 * 2) / 5, (0 + 0.5) / 6, (6 + 0.5) / 7]
    assert martingale._p_values(cells, np.full(4, 0.5)) == pytest.approx(expected)


@pytest.mark.parametrize("shift", [-1.0, 1.0])
def test_a_shift_by_one_standard_deviation_is_found_within_a_hundred_rows(shift):
    rng = np.random.default_rng(2)
    rows = [play(rng, 200, 100, shift=shift, level=0.01).alarm_row for _ in range(20)]
    assert sum(row is not None for row in rows) >= 19


def test_a_late_change_is_found_as_well():
    rng = np.random.default_rng(3)
    martingale = ConformalMartingale(np.sort(rng.normal(size=1000)), 0.01)
    martingale.update(rng.normal(size=5000))
    assert martingale.alarm_row is None
    martingale.update(rng.normal(loc=1, size=200))
    assert 5000 < martingale.alarm_row < 5100


def test_rare_extreme_scores_are_found():
    rng = np.random.default_rng(4)
    scores = rng.normal(size=3000)
    scores[::12] = 20
    martingale = ConformalMartingale(np.sort(rng.normal(size=1000)), 0.01)
    martingale.update(scores)
    assert martingale.alarm_row < 1500


def test_the_same_score_again_and_again_is_found():
    rng = np.random.default_rng(5)
    martingale = ConformalMartingale(np.sort(rng.normal(size=1000)), 0.01)
    martingale.update(np.full(300, 0.01))
    assert martingale.alarm_row is not None


def test_results_do_not_depend_on_batches_or_on_saving():
    rng = np.random.default_rng(6)
    calibration, scores = np.sort(rng.normal(size=50).round(1)), rng.normal(size=700).round(1)
    whole = ConformalMartingale(calibration, 0.05, seed=3)
    whole.update(scores)
    resumed = ConformalMartingale(calibration, 0.05, seed=3)
    for part in np.split(scores, [1, 2, 300]):
        resumed.update(part)
        resumed = ConformalMartingale.from_state(json.loads(json.dumps(resumed.state())), calibration)
    assert resumed.state() == whole.state()
    assert resumed.n_rows == 700


def test_a_state_of_other_calibration_scores_is_refused():
    state = ConformalMartingale(np.arange(9.0)).state()
    with pytest.raises(InvalidInputError, match="must be one of the same calibration scores"):
        ConformalMartingale.from_state(state, np.arange(8.0))
    with pytest.raises(InvalidInputError, match="counts"):
        ConformalMartingale.from_state(state | {"counts": [-1] * 10}, np.arange(9.0))
    with pytest.raises(InvalidInputError, match="8 weights that add up to 1"):
        ConformalMartingale.from_state(state | {"weights": [0.0] * 8}, np.arange(9.0))


def test_nan_is_refused():
    with pytest.raises(InvalidInputError, match="Scores must be numbers, got NaN"):
        ConformalMartingale(np.arange(9.0)).update(np.array([1.0, np.nan]))


@pytest.mark.parametrize("level", [0, 1, "high"])
def test_the_level_is_a_probability(level):
    with pytest.raises(InvalidInputError, match=r"level must be in \(0, 1\)"):
        ConformalMartingale(np.arange(9.0), level)
