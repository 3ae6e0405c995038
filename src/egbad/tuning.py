"""tune: a detector's parameters, chosen by the user's own data, without labels or with a handful of them.

Without labels a choice is judged by how well held-out normal rows are told from anomalies that are made of them: rows whose
columns come from two of them or were moved out, images with a piece of another. With labelled anomalies it is judged by
these; none is ever learned from, and how good the choice is, is measured on anomalies and rows that had no part in it.
"""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from egbad.data import Data, as_data, check_data
from egbad.detectors.base import Detector
from egbad.detectors.registry import AUTO, create
from egbad.errors import CalibrationWarning, EgbadError, HealthWarning, InvalidInputError
from egbad.progress import progress

Array = NDArray[Any]
Floats = NDArray[np.float64]
Choices = dict[str, tuple[Any, ...]]

_MOVED_BY = (2.0, 6.0)  # standard deviations of a column
_PIECE = (0.15, 0.5)  # share of an image's side
_ASKS = 10  # for each trial: how often the search may name what was tried before it is over


def space(detector: Detector[Any], shape: tuple[int, ...]) -> Choices:
    """What is searched for encoded rows (d,) or images (c, h, w): parameters with values; None is the recipe's own."""
    searched = {**detector.tunable, **(detector.tunable_on_images if len(shape) == 3 else detector.tunable_on_rows)}
    settings = detector.settings_for(shape).model_dump()

    def default(name: str) -> Any:
        group, _, key = name.rpartition("__")
        return settings[group][key] if group else settings[name]

    return {name: (None, *(value for value in values if value != default(name))) for name, values in searched.items()}


# -- made anomalies ----------------------------------------------------------------------------------------------------


def made_anomalies(x: Array, rng: np.random.Generator) -> Array:
    """Normal rows (n, d) or images (n, ..., h, w) -> as many or fewer that are not normal, made of them.

    Rows: every other one has a random half of its columns from another row, so that what belongs together doesn't; the
    rest have one to a quarter of their columns moved by two to six standard deviations. Images: a piece of each is replaced
    by a piece of another from another place. What came out equal to a row or image of x is left out.
    """
    made = _made_rows(x, rng) if x.ndim == 2 else _made_images(x, rng)
    known = {row.tobytes() for row in x}
    return made[[row.tobytes() not in known for row in made]]


def _made_rows(x: Array, rng: np.random.Generator) -> Array:
    n, d = x.shape
    x = x.astype(np.float64)
    mixed = np.where(rng.random((n, d)) < 0.5, x[_others(n, rng)], x)
    spread = x.std(axis=0)
    order = np.argsort(np.where(spread > 0, rng.random((n, d)), 2.0), axis=1).argsort(axis=1)  # constant ones come last
    some = order < rng.integers(1, max(2, d // 4 + 1), size=(n, 1))
    way = rng.uniform(*_MOVED_BY, size=(n, d)) * rng.choice([-1.0, 1.0], size=(n, d))
    moved = np.where(some, x + way * spread, x)
    return np.where((np.arange(n) % 2 == 0)[:, None], mixed, moved)


def _made_images(x: Array, rng: np.random.Generator) -> Array:
    made, (h, w) = x.copy(), x.shape[-2:]
    for image, other in zip(made, x[_others(len(x), rng)], strict=True):
        height, width = (max(1, round(side * rng.uniform(*_PIECE))) for side in (h, w))
        (top, there), (left, here) = rng.integers(0, h - height + 1, 2), rng.integers(0, w - width + 1, 2)
        image[..., top : top + height, left : left + width] = other[..., there : there + height, here : here + width]
    return made


def _others(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """For each of n a different one."""
    return (np.arange(n) + rng.integers(1, n, size=n)) % n


# -- the search --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """Parameters that were tried.

    Attributes
    ----------
    parameters : dict
        What differs from the detector's defaults.
    by_fold : tuple of float
        AUROC of each held-out fold's normal rows against made or labelled anomalies.
    seconds : float
        What it took to fit and score all folds.
    failure : str, optional
        Why it has no value.
    """

    parameters: dict[str, Any]
    by_fold: tuple[float, ...]
    seconds: float
    failure: str | None = None

    @property
    def value(self) -> float:
        """Mean AUROC over folds."""
        return float(np.mean(self.by_fold)) if self.by_fold else float("nan")


@dataclass(frozen=True)
class Tuned:
    """What came of a search.

    Attributes
    ----------
    detector : Detector
        With the chosen parameters, fitted on all normal rows.
    trials : tuple of Trial
        All that was tried; the first has the detector's defaults.
    chosen : Trial
        The one with the highest AUROC, if that leads over the defaults by more than the standard error of the lead over
        folds; else the defaults.
    judged_by : str
        What the AUROC is of, in words.
    cross_validated : float, optional
        AUROC of the whole way of choosing, on labelled anomalies and rows that had no part in the choice. Without labels
        there is none.
    """

    detector: Detector[Any]
    trials: tuple[Trial, ...]
    chosen: Trial
    judged_by: str
    cross_validated: float | None


@dataclass(frozen=True)
class _Folds:
    """Normal data in parts, with what each is told from."""

    whole: Data  # in the user's order: what is fitted in the end is what `fit` makes of it
    normal: tuple[Data, ...]
    strange: tuple[Data, ...]  # for each fold: made of it, or all labelled anomalies
    labelled: bool

    def without(self, i: int) -> Data:
        """All but those of fold i."""
        return replace(self.normal[0], x=np.concatenate([part.x for j, part in enumerate(self.normal) if j != i]))


@dataclass(frozen=True)
class _Tried:
    """A trial and, for each fold, the scores of held-out normal rows and of anomalies; none where it failed."""

    trial: Trial
    scores: tuple[tuple[Floats, Floats], ...] = ()


def tune(
    X: Any,
    detector: str = AUTO,
    *,
    anomalies: Any = None,
    trials: int = 20,
    folds: int = 3,
    seconds: float | None = None,
    fixed: Mapping[str, Any] | None = None,
    random_state: int = 0,
    verbose: bool = False,
) -> Tuned:
    """Search for the parameters of a detector that suit normal rows or images X (n, ...), and fit it with them.

    Parameters
    ----------
    X : array, DataFrame or Arrow table
        Normal rows (n, d) or images, as `Detector.fit` takes them.
    detector : str
        By name; "auto" is the blend.
    anomalies : same as X, optional
        Labelled anomalies (m, ...), at least two. They judge, and are never learned from.
    trials : int
        How many choices to try, the defaults among them.
    folds : int
        Parts of X, at least two; each is held out once in every trial.
    seconds : float, optional
        After which no further trial begins.
    fixed : mapping, optional
        Parameters of the detector that are not searched.
    random_state : int
        Seed of the folds, of what is made, of the search and of every fit.

    Raises
    ------
    InvalidInputError
        For fewer rows than two a fold, fewer than two anomalies, or a parameter out of its range.
    EgbadError
        When no trial could be fitted: the first one's error.
    """
    if trials < 1 or folds < 2:
        raise InvalidInputError(f"tune needs at least one trial and two folds, got {trials} and {folds}.")
    given: dict[str, Any] = {"random_state": random_state, **(fixed or {})}
    parts = _split(X, anomalies, folds, random_state)
    learner, shape = create(detector, **given), parts.normal[0].x.shape[1:]
    name, shape = learner.name, (1, *shape) if len(shape) == 2 else shape
    searched = {k: v for k, v in space(learner, shape).items() if k not in given}
    found = _search(searched, lambda values: _try(parts, name, given, values), trials, seconds, random_state, verbose)
    if not any(tried.scores for tried in found):
        raise EgbadError(f"No trial could be fitted; the first failed so: {found[0].trial.failure}")
    chosen = found[_choose([tried.trial.by_fold for tried in found])].trial
    final = create(name, **{**given, "verbose": verbose, **chosen.parameters}).fit(parts.whole)
    n = len(parts.strange[0].x)
    return Tuned(
        detector=final,
        trials=tuple(tried.trial for tried in found),
        chosen=chosen,
        judged_by=f"{n:,} labelled anomalies" if parts.labelled else "anomalies made of held-out normal rows",
        cross_validated=_cross_validated(found, n) if parts.labelled else None,
    )


def _search(
    searched: Choices,
    attempt: Callable[[dict[str, Any]], _Tried],
    trials: int,
    seconds: float | None,
    seed: int,
    verbose: bool,
) -> list[_Tried]:
    """Try the defaults, then what optuna's tree-structured Parzen estimator asks for, each choice once."""
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(dict.fromkeys(searched, 0))
    tried: dict[tuple[int, ...], _Tried] = {}
    most, started = min(trials, prod(map(len, searched.values()))), time.perf_counter()
    with progress("Tuning", most, unit="trials", enabled=verbose) as advance:
        for _ in range(_ASKS * most):
            late = seconds is not None and time.perf_counter() - started > seconds
            if len(tried) == most or (tried and late):
                break
            asked = study.ask()
            places = tuple(asked.suggest_categorical(k, range(len(v))) for k, v in searched.items())
            if places not in tried:
                values = {k: v[i] for (k, v), i in zip(searched.items(), places, strict=True) if i}
                tried[places] = attempt(values)
                advance(1)
            if tried[places].scores:
                study.tell(asked, tried[places].trial.value)
            else:
                study.tell(asked, state=TrialState.FAIL)
    return [*tried.values()]


def _try(parts: _Folds, name: str, given: dict[str, Any], values: dict[str, Any]) -> _Tried:
    """Fit without each fold, and score it and the anomalies."""
    started, scores = time.perf_counter(), []
    try:
        with warnings.catch_warnings():
            for quiet in (
                CalibrationWarning,
                HealthWarning,
            ):  # what is only tried needs no threshold, and shows its worth
                warnings.simplefilter("ignore", quiet)
            for i, (normal, strange) in enumerate(zip(parts.normal, parts.strange, strict=True)):
                detector = create(name, **(given | values)).fit(parts.without(i))
                scores.append((detector.anomaly_score(normal), detector.anomaly_score(strange)))
    except EgbadError as error:
        return _Tried(Trial(values, (), time.perf_counter() - started, str(error)))
    by_fold = tuple(_auroc(*of_fold) for of_fold in scores)
    return _Tried(Trial(values, by_fold, time.perf_counter() - started), tuple(scores))


def _split(X: Any, anomalies: Any, folds: int, seed: int) -> _Folds:
    data = as_data(X)
    check_data(data)
    n = len(data.x)
    if n < 2 * folds:
        raise InvalidInputError(f"tune needs at least two rows for each of {folds} folds, got n_samples = {n}.")
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    bare = replace(data, files=None, labels=None)
    normal = tuple(replace(bare, x=data.x[np.sort(order[i::folds])]) for i in range(folds))
    if anomalies is None:
        strange = tuple(replace(part, x=made_anomalies(part.x, rng)) for part in normal)
        if any(len(part.x) == 0 for part in strange):
            raise InvalidInputError(
                "Rows or images must differ, for anomalies to be made of them; these are all alike."
            )
        return _Folds(bare, normal, strange, labelled=False)
    known = as_data(anomalies)
    check_data(known)
    if len(known.x) < 2:
        raise InvalidInputError(f"There must be at least two labelled anomalies, got {len(known.x)}.")
    return _Folds(bare, normal, (replace(known, files=None, labels=None),) * folds, labelled=True)


def _auroc(normal: Floats, anomalous: Floats) -> float:
    labels = np.r_[np.zeros(len(normal)), np.ones(len(anomalous))]
    return float(roc_auc_score(labels, np.r_[normal, anomalous]))


def _choose(by_fold: Sequence[Sequence[float]]) -> int:
    """The trial with the highest mean; the first, unless it leads over that by more than the lead's standard error."""
    means = [float(np.mean(values)) if len(values) else -np.inf for values in by_fold]
    best = int(np.argmax(means))
    if best == 0 or not len(by_fold[0]):
        return best
    lead = np.asarray(by_fold[best]) - np.asarray(by_fold[0])
    error = lead.std(ddof=1) / np.sqrt(len(lead)) if len(lead) > 1 else 0.0
    return best if lead.mean() > error else 0


def _cross_validated(found: Sequence[_Tried], n_anomalies: int) -> float:
    """Choose without one fold's rows and one part of the anomalies, measure on these, and take the mean over parts."""
    folds = max(len(tried.scores) for tried in found)
    part = np.arange(n_anomalies) % min(folds, n_anomalies)
    measured = []
    for i in np.unique(part):
        by_fold = [
            [_auroc(normal, strange[part != i]) for j, (normal, strange) in enumerate(tried.scores) if j != i]
            for tried in found
        ]
        normal, strange = found[_choose(by_fold)].scores[i]
        measured.append(_auroc(normal, strange[part == i]))
    return float(np.mean(measured))
