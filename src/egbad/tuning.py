"""Search for the parameters of a detector that suit a user's data, without labels or with a few labelled anomalies.

Without labels, a choice of parameters is judged by how well it separates held-out normal rows from synthetic anomalies that
are made of them: rows with columns from two rows or with columns moved away, images with a piece of another image. With
labelled anomalies, it is judged by these instead. Anomalies are never used for training.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from egbad.arrays import Array, Floats
from egbad.data import ColumnTypes, Data, as_data, check_data
from egbad.data.lazy_images import decode_at
from egbad.data.synthetic import synthetic_anomalies
from egbad.detectors.base import Detector
from egbad.detectors.blend_images import usual_shape
from egbad.detectors.registry import AUTO, create
from egbad.errors import CalibrationWarning, EgbadError, HealthWarning, InvalidInputError, require_extra
from egbad.progress import progress
from egbad.scoring.metrics import auroc
from egbad.scoring.score_tables import compute_terms

SearchSpace = dict[str, tuple[Any, ...]]

_MAX_PROPOSALS = 10  # per trial; the sampler may propose a choice again that was tried before


def search_space(detector: Detector[Any], shape: tuple[int, ...]) -> SearchSpace:
    """Return the parameters to search and their values.

    Parameters
    ----------
    detector : Detector
    shape : tuple of int
        Shape of an encoded row, (n_features,), or image, (channels, height, width).

    Returns
    -------
    dict of str to tuple
        Values of each parameter. The first is None, which stands for the default.

    Examples
    --------
    >>> from egbad.detectors import KNN
    >>> search_space(KNN(), (5,))
    {'n_neighbors': (None, 1, 20), 'preprocessing__scaling': (None, 'minmax')}
    """
    for_input = detector.tunable_on_images if len(shape) == 3 else detector.tunable_on_rows
    settings = detector.settings_for(shape).model_dump()

    def default(name: str) -> Any:
        group, _, key = name.rpartition("__")
        return settings[group][key] if group else settings[name]

    return {
        name: (None, *(value for value in values if value != default(name)))
        for name, values in {**detector.tunable, **for_input}.items()
    }


def _default_space(base: Detector[Any], fixed: Mapping[str, Any], x: Array) -> SearchSpace:
    """Return the parameters to search on x (n, ...): values that need images of one size are not mixed with others."""

    def is_suitable(name: str, value: Any) -> bool:
        candidate = create(base.name, **{**fixed, name: value})
        candidate.prepare_for(x)
        return candidate.any_size == base.any_size

    space = search_space(base, x.shape[1:] if x.ndim == 2 else usual_shape(x))
    return {
        name: (None, *(value for value in values[1:] if is_suitable(name, value)))
        for name, values in space.items()
        if name not in fixed
    }


# -- results -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """A choice of parameters, and how well it did.

    Attributes
    ----------
    parameters : dict of str to object
        Parameters that differ from the detector's defaults.
    fold_aurocs : tuple of float
        AUROC of each held-out fold against the anomalies. Empty if the trial failed.
    seconds : float
        Time to fit and score all folds.
    failure : str, optional
        Error message of a failed trial.
    """

    parameters: dict[str, Any]
    fold_aurocs: tuple[float, ...]
    seconds: float
    failure: str | None = None

    @property
    def auroc(self) -> float:
        """Mean AUROC of the folds; NaN if the trial failed."""
        return float(np.mean(self.fold_aurocs)) if self.fold_aurocs else float("nan")


@dataclass(frozen=True)
class TuningResult:
    """Result of a search.

    Attributes
    ----------
    detector : Detector
        Detector with the chosen parameters, fitted to all normal rows.
    trials : tuple of Trial
        All trials. The first has the detector's defaults.
    chosen : Trial
        The trial with the highest AUROC, if it exceeds the defaults by more than the standard error of the difference
        over folds. Otherwise the defaults.
    judged_by : str
        Description of the anomalies.
    cross_validated : float, optional
        AUROC of the whole procedure, on labelled anomalies and rows that were not used for the choice. None without
        labelled anomalies.
    """

    detector: Detector[Any]
    trials: tuple[Trial, ...]
    chosen: Trial
    judged_by: str
    cross_validated: float | None


# -- the search --------------------------------------------------------------------------------------------------------


def tune(
    X: Any,
    detector: str = AUTO,
    *,
    anomalies: Any = None,
    column_types: ColumnTypes | None = None,
    n_trials: int = 20,
    n_folds: int = 3,
    timeout: float | None = None,
    fixed_params: Mapping[str, Any] | None = None,
    space: Mapping[str, Sequence[Any]] | None = None,
    random_state: int = 0,
    verbose: bool = False,
) -> TuningResult:
    """Search for the parameters of a detector that suit normal data, and fit the detector with them.

    Needs the extra ``tune`` (optuna).

    Parameters
    ----------
    X : array-like, DataFrame or Arrow table of shape (n_samples, ...)
        Normal rows or images, as `Detector.fit` takes them. If the defaults take images of any size, so do all choices.
    detector : str, default="auto"
        Name of the detector; "auto" is the blend.
    anomalies : array-like, DataFrame or Arrow table, optional
        At least two labelled anomalies to judge by. They are never used for training.
    column_types : mapping of str to str, optional
        Types and roles of columns by name, as `Detector.fit` takes them.
    n_trials : int, default=20
        Number of choices of parameters to try, including the defaults.
    n_folds : int, default=3
        Number of cross-validation folds, at least two.
    timeout : float, optional
        Start no further trial after this time, in seconds.
    fixed_params : mapping of str to object, optional
        Parameters of the detector to keep fixed; groups are nested, as in ``training__steps``.
    space : mapping of str to sequence, optional
        Values to try for each parameter, besides the default. By default those of `search_space`.
    random_state : int, default=0
        Seed of the folds, the synthetic anomalies, the search and all fits.
    verbose : bool, default=False
        Show progress.

    Returns
    -------
    TuningResult

    Raises
    ------
    InvalidInputError
        If there are fewer than two rows per fold or fewer than two anomalies, or a parameter is out of range.
    EgbadError
        If no trial could be fitted, with the error of the first one.
    MissingExtraError
        If optuna is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.tuning import tune
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> result = tune(X, "knn", n_trials=3, fixed_params={"alpha": 0.1})
    >>> len(result.trials), result.judged_by
    (3, 'synthetic anomalies')
    >>> result.detector.predict([[9.0, -9.0, 9.0]])
    array([-1])
    """
    require_extra("Tuning", "tune", "optuna")
    if n_trials < 1 or n_folds < 2:
        raise InvalidInputError(f"tune needs at least one trial and two folds, got {n_trials} and {n_folds}.")
    fixed: dict[str, Any] = {"random_state": random_state, **(fixed_params or {})}
    base = create(detector, **fixed)
    folds = _split(base, X, anomalies, column_types, n_folds, random_state)
    choices = _default_space(base, fixed, folds.all_rows.x)
    if space is not None:
        choices = {name: (None, *values) for name, values in space.items() if name not in fixed}

    def evaluate(parameters: dict[str, Any]) -> _ScoredTrial:
        return _cross_validate(folds, base.name, fixed, parameters)

    scored = _search(choices, evaluate, n_trials, timeout, random_state, verbose)
    if not any(one.scores for one in scored):
        raise EgbadError(f"No trial could be fitted. The first one failed with: {scored[0].trial.failure}")
    chosen = scored[_choose([one.trial.fold_aurocs for one in scored])].trial
    n_anomalies = len(folds.anomalous[0].x)
    return TuningResult(
        detector=create(base.name, **{**fixed, "verbose": verbose, **chosen.parameters}).fit(folds.all_rows),
        trials=tuple(one.trial for one in scored),
        chosen=chosen,
        judged_by=f"{n_anomalies:,} labelled anomalies" if folds.labelled else "synthetic anomalies",
        cross_validated=_cross_validated_auroc(scored, n_anomalies) if folds.labelled else None,
    )


@dataclass(frozen=True)
class _ScoredTrial:
    """A trial and, for each fold, the scores of the held-out normal rows and of the anomalies; empty if it failed."""

    trial: Trial
    scores: tuple[tuple[Floats, Floats], ...] = ()


def _search(
    space: SearchSpace,
    evaluate: Callable[[dict[str, Any]], _ScoredTrial],
    n_trials: int,
    timeout: float | None,
    seed: int,
    verbose: bool,
) -> list[_ScoredTrial]:
    """Evaluate the defaults, and then each choice once that optuna's tree-structured Parzen estimator proposes."""
    import optuna

    n_trials, started = min(n_trials, prod(map(len, space.values()))), time.perf_counter()
    scored: dict[tuple[int, ...], _ScoredTrial] = {}
    with _quiet_optuna(optuna), progress("Tuning", n_trials, unit="trials", enabled=verbose) as advance:
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        study.enqueue_trial(dict.fromkeys(space, 0))
        for _ in range(_MAX_PROPOSALS * n_trials):
            is_late = timeout is not None and time.perf_counter() - started > timeout
            if len(scored) == n_trials or (scored and is_late):
                break
            proposed = study.ask()
            choice = tuple(proposed.suggest_categorical(name, range(len(values))) for name, values in space.items())
            if choice not in scored:
                parameters = {name: values[i] for (name, values), i in zip(space.items(), choice, strict=True) if i}
                scored[choice] = evaluate(parameters)
                advance(1)
            if scored[choice].scores:
                study.tell(proposed, scored[choice].trial.auroc)
            else:
                study.tell(proposed, state=optuna.trial.TrialState.FAIL)
    return [*scored.values()]


@contextmanager
def _quiet_optuna(optuna: Any) -> Iterator[None]:
    """Limit the log of optuna to warnings, and restore its verbosity afterwards."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def _cross_validate(folds: "_Folds", name: str, fixed: dict[str, Any], parameters: dict[str, Any]) -> _ScoredTrial:
    """Fit without each fold, and score the fold and its anomalies."""
    started, scores = time.perf_counter(), []
    try:
        with warnings.catch_warnings():
            # A trial's threshold is not used, and its health shows in its AUROC.
            for category in (CalibrationWarning, HealthWarning):
                warnings.simplefilter("ignore", category)
            for i, (normal, anomalous) in enumerate(zip(folds.normal, folds.anomalous, strict=True)):
                detector = create(name, **(fixed | parameters)).fit(folds.without(i))
                scores.append((_scores(detector, normal), _scores(detector, anomalous)))
    except EgbadError as error:
        return _ScoredTrial(Trial(parameters, (), time.perf_counter() - started, str(error)))
    aurocs = tuple(_auroc(*of_fold) for of_fold in scores)
    return _ScoredTrial(Trial(parameters, aurocs, time.perf_counter() - started), tuple(scores))


def _scores(detector: Detector[Any], data: Data) -> Floats:
    """Return the scores of rows or images, of which a few are decoded at a time."""
    return np.asarray(sum(compute_terms(detector.score_terms, data).values()))


# -- folds -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Folds:
    """Normal data in folds, and the anomalies that each fold is judged by.

    Attributes
    ----------
    all_rows : Data
        Normal rows in their original order, so that the final fit equals `fit(X)`.
    normal : tuple of Data
        Normal rows of each fold.
    anomalous : tuple of Data
        For each fold, synthetic anomalies made of it or all labelled anomalies.
    labelled : bool
    """

    all_rows: Data
    normal: tuple[Data, ...]
    anomalous: tuple[Data, ...]
    labelled: bool

    def without(self, i: int) -> Data:
        """Return the normal rows of all folds but the i-th."""
        return replace(self.normal[0], x=np.concatenate([fold.x for j, fold in enumerate(self.normal) if j != i]))


def _split(
    base: Detector[Any], X: Any, anomalies: Any, column_types: ColumnTypes | None, n_folds: int, seed: int
) -> _Folds:
    """Check the data as the detector `base` does when it is fitted, and split them."""
    data = base.check_input(X, fitting=True, column_types=column_types)
    n = len(data.x)
    if n < 2 * n_folds:
        raise InvalidInputError(f"tune needs at least two rows for each of {n_folds} folds, got n_samples = {n}.")
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    all_rows = replace(data, files=None, labels=None, carried=None)
    normal = tuple(replace(all_rows, x=data.x[np.sort(order[i::n_folds])]) for i in range(n_folds))
    if anomalies is None:
        synthetic = tuple(replace(fold, x=synthetic_anomalies(fold.x, rng)) for fold in normal)
        if any(len(fold.x) == 0 for fold in synthetic):
            raise InvalidInputError("Rows or images must differ to make anomalies of them, but they are all the same.")
        return _Folds(all_rows, normal, synthetic, labelled=False)
    labelled = as_data(anomalies, column_types)
    if data.x.ndim > 2:
        labelled = replace(labelled, x=decode_at(labelled.x, data.x.shape[-2:], in_colour=data.x.ndim == 4))
    check_data(labelled, base.max_side, any_size=base.any_size)
    if len(labelled.x) < 2:
        raise InvalidInputError(f"tune needs at least two labelled anomalies, got {len(labelled.x)}.")
    return _Folds(
        all_rows, normal, (replace(labelled, files=None, labels=None, carried=None),) * n_folds, labelled=True
    )


# -- the choice --------------------------------------------------------------------------------------------------------


def _auroc(normal: Floats, anomalous: Floats) -> float:
    return auroc(np.r_[normal, anomalous], np.repeat([False, True], [len(normal), len(anomalous)]))


def _choose(fold_aurocs: Sequence[Sequence[float]]) -> int:
    """Return the trial with the highest mean if it beats the first by more than the standard error, else the first."""
    means = [float(np.mean(values)) if len(values) else -np.inf for values in fold_aurocs]
    best = int(np.argmax(means))
    if best == 0 or not len(fold_aurocs[0]):
        return best
    lead = np.asarray(fold_aurocs[best]) - np.asarray(fold_aurocs[0])
    error = lead.std(ddof=1) / np.sqrt(len(lead)) if len(lead) > 1 else 0.0
    return best if lead.mean() > error else 0


def _cross_validated_auroc(scored: Sequence[_ScoredTrial], n_anomalies: int) -> float:
    """Choose without one fold and one part of the anomalies, measure on these, and average over the parts."""
    n_folds = max(len(one.scores) for one in scored)
    part = np.arange(n_anomalies) % min(n_folds, n_anomalies)
    aurocs = []
    for i in np.unique(part):
        of_others = [
            [_auroc(normal, anomalous[part != i]) for j, (normal, anomalous) in enumerate(one.scores) if j != i]
            for one in scored
        ]
        normal, anomalous = scored[_choose(of_others)].scores[i]
        aurocs.append(_auroc(normal, anomalous[part == i]))
    return float(np.mean(aurocs))
