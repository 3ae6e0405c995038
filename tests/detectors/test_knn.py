import numpy as np
import pytest
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from egbad import load
from egbad.detectors import KNN, LOF
from egbad.detectors.knn import whitening_matrix
from egbad.errors import InvalidEntryError, InvalidInputError
from egbad.nn.cells import CellIndex
from egbad.nn.distances import distance_shares, standardize_rows
from egbad.preprocessing import Preprocessing


def test_score_equals_mean_distance_of_scikit_learn(fit, new_rows):
    reference = fit(KNN(n_neighbors=3))
    distances, _ = NearestNeighbors(n_neighbors=3).fit(reference.train).kneighbors(reference.new)
    assert np.allclose(reference.detector.anomaly_score(new_rows), distances.mean(1))


@pytest.mark.parametrize("metric", ["euclidean", "correlation"])
def test_training_rows_have_distance_zero(metric):
    x = 1e3 + np.random.default_rng(0).normal(size=(400, 40))  # so many columns that neighbours are found by products
    detector = KNN(
        n_neighbors=1, metric=metric, preprocessing=Preprocessing(scaling="none"), alpha=0.1, random_state=0
    ).fit(x)
    order = np.random.default_rng(detector.seed_).permutation(400)
    assert (detector.anomaly_score(x[order[40:]]) == 0).all()
    assert (detector.anomaly_score(x[order[:40]]) > 0).all()


def test_standardized_rows_have_mean_zero_and_length_one():
    x = standardize_rows(np.array([[1.0, 2.0, 6.0], [4.0, 4.0, 4.0]]))
    assert np.allclose(x.mean(1), 0)
    assert np.linalg.norm(x, axis=1) == pytest.approx([1, 0])


@pytest.mark.parametrize(("metric", "order"), [("euclidean", 2), ("correlation", 2), ("manhattan", 1)])
def test_distance_shares_add_up_to_the_distance(metric, order):
    differences = np.random.default_rng(0).normal(size=(4, 3, 5))
    differences[0, 0] = 0
    shares = distance_shares(differences, metric)
    assert (shares >= 0).all()
    assert np.allclose(shares.sum(2), np.linalg.norm(differences, ord=order, axis=2))


def test_whitening_makes_differences_between_neighbours_equally_large_in_all_directions():
    differences = np.array([[4.0, 0.0], [0.0, 1.0]])  # variances 4 and 1/4, their mean 17/8
    shrunk = 0.9 * np.array([4, 0.25]) + 0.1 * 17 / 8
    matrix = whitening_matrix(differences)
    assert matrix @ matrix.T == pytest.approx(np.diag(1 / shrunk))


def test_local_whitening_finds_deviations_in_directions_in_which_neighbours_hardly_differ():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-9, 9, (2, 2000))
    x = np.column_stack([a, b, a + b + rng.normal(scale=0.01, size=2000)])
    detector, plain = (KNN(n_neighbors=1, whitening=w, random_state=0).fit(x) for w in ("local", "none"))
    new = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0]])
    assert detector.predict(new).tolist() == [1, -1]
    margin, plain_margin = (d.anomaly_score(new)[1] / d.threshold_ for d in (detector, plain))
    assert margin > 2 * plain_margin
    explanation = detector.explain(new)
    assert np.allclose(explanation.shares.sum(1), explanation.score)


def test_density_ratio_is_the_distance_relative_to_that_of_the_neighbours():
    x = np.array([[0.0], [1.0], [2.0], [10.0], [14.0], [18.0]])
    detector = KNN(
        n_neighbors=1, score_type="density_ratio", preprocessing=Preprocessing(scaling="none"), random_state=0
    )
    detector.set_params(alpha=0.5).fit(np.repeat(x, 2, axis=0))
    detector._set_learned(detector._fit_rows(x, None))
    assert detector.learned_["neighbour_distance"].tolist() == [1, 1, 1, 4, 4, 4]
    assert detector.anomaly_score(np.array([[3.0], [20.0], [4.0]])).tolist() == [1, 0.5, 2]


@pytest.mark.parametrize("options", [{}, {"score_type": "density_ratio"}, {"whitening": "local"}])
def test_scores_of_training_rows_leave_themselves_out(options):
    x = np.random.default_rng(0).normal(size=(60, 3))
    detector = KNN(n_neighbors=2, alpha=0.2, random_state=0, **options).fit(x)
    rows = detector.index_rows_
    usual = detector.learned_.get("neighbour_distance", np.ones(len(rows)))
    expected = []
    for i, row in enumerate(rows):
        distances = np.linalg.norm(rows - row, axis=1)
        distances[i] = np.inf
        nearest = distances.argsort()[:2]
        expected.append(distances[nearest].mean() / usual[nearest].mean())
    assert detector.leave_one_out_scores(detector.learned_["rows"]) == pytest.approx(expected)


@pytest.mark.parametrize("options", [{"whitening": "local"}, {"score_type": "density_ratio"}])
def test_whitening_and_density_ratio_need_euclidean_distances(options):
    with pytest.raises(InvalidInputError, match="need metric='euclidean'"):
        KNN(metric="cosine", **options).fit(np.random.default_rng(0).normal(size=(50, 3)))


def test_a_model_file_must_hold_the_arrays_of_its_options(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 3))
    detector = KNN(whitening="local", score_type="density_ratio", alpha=0.2, random_state=0).fit(x)
    detector.save(tmp_path / "k.egbad")
    assert np.array_equal(load(tmp_path / "k.egbad").anomaly_score(x), detector.anomaly_score(x))
    for name in ("whitening", "neighbour_distance"):
        with pytest.raises(InvalidEntryError, match=f"{name}.*is missing"):
            detector._check_learned({k: v for k, v in detector.learned_.items() if k != name})


@pytest.mark.parametrize("detector", [KNN(n_neighbors=3), LOF(n_neighbors=3)], ids=["knn", "lof"])
def test_the_search_among_many_rows_is_exact(tmp_path, detector):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 16))[rng.integers(500, size=50_500)] * 4 + 0.2 * rng.normal(size=(50_500, 16))
    x = rows[:100] + 0.1 * rng.normal(size=(100, 16))
    detector = detector.set_params(alpha=0.1, calibration_fraction=0.005, random_state=0, preprocessing__scaling="none")
    detector.fit(rows)
    assert isinstance(detector._index, CellIndex) and not detector.pads_chunks, "padding would cost a search a row"
    known = detector.learned_["rows"].astype(float)
    if isinstance(detector, KNN):
        expected = NearestNeighbors(n_neighbors=3, algorithm="kd_tree").fit(known).kneighbors(x)[0].mean(1)
    else:
        expected = -LocalOutlierFactor(n_neighbors=3, novelty=True, algorithm="kd_tree").fit(known).score_samples(x)
    scores = detector.anomaly_score(x)
    assert scores == pytest.approx(expected, rel=1e-6)
    assert np.array_equal(np.concatenate([detector.anomaly_score(x[i : i + 1]) for i in range(5)]), scores[:5])
    detector.save(tmp_path / "m.egbad")
    assert np.array_equal(load(tmp_path / "m.egbad").anomaly_score(x), scores)


def test_the_stated_recall_is_found_and_survives_saving(tmp_path):
    x = np.random.default_rng(0).normal(size=(60_000, 16))
    options = {"n_neighbors": 3, "alpha": 0.1, "random_state": 0, "preprocessing": Preprocessing(drop_duplicates=False)}
    exact, fast = KNN(**options).fit(x), KNN(recall=0.8, **options).fit(x)
    new = np.random.default_rng(1).normal(size=(100, 16))
    assert exact.recall_ == 1 and 0.8 <= fast.recall_ < 1
    assert (fast.anomaly_score(new) >= exact.anomaly_score(new) - 1e-9).all()
    assert np.mean(fast.anomaly_score(new) == exact.anomaly_score(new)) > 0.5
    fast.save(tmp_path / "model.egbad")
    loaded = load(tmp_path / "model.egbad")
    assert np.array_equal(loaded.anomaly_score(new), fast.anomaly_score(new)) and loaded.recall_ == fast.recall_
    assert np.array_equal([fast.anomaly_score(new[i : i + 1])[0] for i in range(5)], fast.anomaly_score(new)[:5])
