"""A GPU: numbers drawn there, moves recorded and played, scores that a CPU gives, too. Without one, what can be had without."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import sleep

import numpy as np
import pytest
import torch

from egbad import EGBAD, load
from egbad.detectors.base import TorchDetector
from egbad.detectors.registry import all_detectors
from egbad.errors import CalibrationWarning, HealthWarning, InvalidInputError
from egbad.nn import precision
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import BatchNorm, Conv
from egbad.nn.precision import matmul_precision
from egbad.training import EarlyStopping, TrainingConfig, loop

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
TRAINED = sorted(name for name, kind in all_detectors().items() if issubclass(kind, TorchDetector))
QUICK = {"training__steps": 40, "encoder_steps": 40, "search_steps": 3, "n_starts": 2}


def quick(name, **options):
    """A detector with those of the options that it has."""
    known = all_detectors()[name]().get_params()
    options = {"random_state": 0, "alpha": 0.05, **QUICK, **options}
    return all_detectors()[name]().set_params(**{k: v for k, v in options.items() if k in known})


def rows(n, seed, d=12):
    rng = np.random.default_rng(seed)
    way = np.random.default_rng(9).normal(size=(3, d))
    return rng.normal(size=(n, 3)) @ way + 0.1 * rng.normal(size=(n, d))


def images(n, seed):
    return rows(n, seed, 256).reshape(n, 16, 16)


def fitted(detector, x):
    with warnings.catch_warnings():
        for quiet in (HealthWarning, CalibrationWarning):
            warnings.simplefilter("ignore", quiet)
        return detector.fit(x)


# -- without a GPU -----------------------------------------------------------------------------------------------------


def test_bf16_learns_and_scores_nearly_as_float32_does():
    x, new = rows(400, 0), np.concatenate([rows(200, 1), 3 * rows(200, 2)])
    one, other = (
        fitted(
            EGBAD(
                training=TrainingConfig(steps=20, precision=p),
                early_stopping=EarlyStopping(criterion="none"),
                random_state=0,
            ),
            x,
        )
        for p in ("float32", "bf16")
    )
    other.model_.load_state_dict(one.model_.state_dict())
    a, b = (detector.anomaly_score(new) for detector in (one, other))
    assert not np.array_equal(a, b)
    assert np.abs(a - b).max() < 0.02 * np.abs(a).max()


def test_an_unknown_precision_is_refused():
    with pytest.raises(InvalidInputError, match="There is no precision 'fp16'. Did you mean 'bf16'"):
        EGBAD(training=TrainingConfig(precision="fp16")).fit(rows(50, 0))


def test_threads_share_one_precision_and_wait_for_another():
    products = precision._Products()
    before = products._now()
    order, together = [], Barrier(2, timeout=10)

    def same(name):
        with products.are("tf32"):
            together.wait()  # both are in here at once
            order.append((name, *products._now()[0]))
            with products.are("ieee"):
                assert products._now() == (["ieee", "ieee"], True)

    def other():
        with products.are("ieee"):
            order.append(("other", *products._now()[0]))

    with ThreadPoolExecutor(3) as pool:
        first = [pool.submit(same, name) for name in "ab"]
        while products.inside < 2 and not any(work.done() for work in first):
            sleep(0.001)
        last = pool.submit(other)
        for work in (*first, last):
            work.result(timeout=10)
    assert {name for name, *_ in order[:2]} == {"a", "b"}
    assert order[2] == ("other", "ieee", "ieee")
    assert products._now() == before


# -- with one ------------------------------------------------------------------------------------------------------------


@on_gpu
@pytest.mark.parametrize("kind", [rows, images])
@pytest.mark.parametrize("name", TRAINED)
def test_what_was_trained_on_a_gpu_scores_alike_on_the_cpu(name, kind, tmp_path):
    detector = fitted(quick(name, members=2), kind(300, 0))
    assert detector.device_ == "cuda"
    new = kind(100, 1)
    scores = detector.anomaly_score(new)
    assert np.array_equal(scores[17:18], detector.anomaly_score(new[17:18]))
    path = tmp_path / "model.egbad"
    detector.device = "cpu"
    detector.save(path)
    again = load(path)
    assert again.device_ == "cpu"
    np.testing.assert_allclose(again.anomaly_score(new), scores, rtol=2e-3, atol=1e-4)


@on_gpu
@pytest.mark.parametrize("kind", [rows, images])
@pytest.mark.parametrize("name", TRAINED)
def test_a_move_that_is_played_is_the_move_that_was_made(name, kind, monkeypatch):
    played = fitted(quick(name, members=2), kind(300, 0))
    monkeypatch.setattr(loop, "CudaGraphStep", lambda move, generator: move)
    made = fitted(quick(name, members=2), kind(300, 0))
    for curve in made.history_:
        np.testing.assert_allclose(played.history_[curve], made.history_[curve], rtol=1e-3, atol=1e-4)


@on_gpu
def test_a_member_that_is_slowed_down_is_recorded_so():
    generators = MemberGenerators([0, 1], "cuda")
    weights = torch.nn.Parameter(torch.zeros(2, 1, device="cuda"))
    turn = loop.Player("a", [weights], lambda x: ((weights - 1) ** 2).sum(1))
    loop_model = _Held(weights)
    x = torch.zeros(40, 1, device="cuda")
    schedule = loop.Schedule(steps=40, batch_size=8, learning_rate=0.01, ema_decay=0)
    with generators.on_device():
        running = loop._Loop(loop_model, (turn,), x, schedule, generators, None)
        for _ in range(10):
            running.move()
        running.pace[0, 1] = 0
        running.moves = running._all_moves()
        before = weights.detach().clone()
        for _ in range(10):
            running.move()
    assert weights[0] > before[0] and weights[1] == before[1]


class _Held(torch.nn.Module):
    """A model that shows no symptom."""

    def __init__(self, weights):
        super().__init__()
        self.weights = weights

    def symptoms(self, x):
        return {}


@on_gpu
@pytest.mark.parametrize("transposed", [False, True])
def test_convolutions_of_members_side_by_side_are_each_members_own(transposed):
    generators = MemberGenerators([0, 1, 2])
    conv, x = Conv(generators, 4, 6, 4, 2, 1, transposed=transposed), generators.normal(5, 4, 8, 8)
    norm = BatchNorm(generators, 6)
    here = norm(conv(x))
    conv.cuda(), norm.cuda()
    norm.running_mean.zero_(), norm.running_var.fill_(1)
    with torch.no_grad(), matmul_precision("float32", "cuda"):
        there = norm(conv(x.cuda()))
    torch.testing.assert_close(there.cpu(), here, rtol=1e-4, atol=1e-5)


@on_gpu
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("n", [8, 128])
def test_convolutions_learn_on_a_gpu_what_they_learn_here(transposed, n):
    def gradients(conv, x):
        return torch.autograd.grad((conv(x) ** 2).mean(), (*conv.parameters(), x))

    generators = MemberGenerators([0, 1, 2])
    conv, x = Conv(generators, 4, 6, 4, 2, 1, transposed=transposed), generators.normal(n, 4, 8, 8).requires_grad_()
    here = gradients(conv, x)
    with matmul_precision("float32", "cuda"):
        there, again = (gradients(conv.cuda(), x.detach().cuda().requires_grad_()) for _ in range(2))
    for one, other, same in zip(here, there, again, strict=True):
        torch.testing.assert_close(other.cpu(), one, rtol=1e-4, atol=1e-6)
        assert torch.equal(other, same)


@on_gpu
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_less_precise_products_change_scores_little(precision):
    x, new = images(300, 0), images(100, 1)
    one = fitted(EGBAD(training=TrainingConfig(steps=100), random_state=0), x)
    a = one.anomaly_score(new)
    one.precision = precision
    b = one.anomaly_score(new)
    assert not np.array_equal(a, b)
    assert np.abs(a - b).max() < 0.05 * np.abs(a).max()
