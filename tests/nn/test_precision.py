"""Precision of matrix products and convolutions, and the same bits on every call."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import sleep

import numpy as np
import pytest
import torch

from egbad import EGBAD
from egbad.errors import InvalidInputError
from egbad.nn import precision
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import BatchNorm, Conv
from egbad.nn.precision import is_float32, matmul_precision, resolve_device
from egbad.training import EarlyStopping, TrainingConfig

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
WITHOUT_STOPPING = EarlyStopping(criterion="none")
# Alpha needs more calibration rows than there are, which does not matter here.
pytestmark = pytest.mark.filterwarnings("ignore::egbad.errors.CalibrationWarning")


def rows(n, seed, n_columns=12):
    rng = np.random.default_rng(seed)
    directions = np.random.default_rng(9).normal(size=(3, n_columns))
    return rng.normal(size=(n, 3)) @ directions + 0.1 * rng.normal(size=(n, n_columns))


@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")
def test_bf16_changes_scores_little():
    new = np.concatenate([rows(200, 1), 3 * rows(200, 2)])
    one, other = (
        EGBAD(training=TrainingConfig(steps=20, precision=name), early_stopping=WITHOUT_STOPPING, random_state=0).fit(
            rows(400, 0)
        )
        for name in ("float32", "bf16")
    )
    other.model_.load_state_dict(one.model_.state_dict())
    a, b = (detector.anomaly_score(new) for detector in (one, other))
    assert not np.array_equal(a, b)
    assert np.abs(a - b).max() < 0.02 * np.abs(a).max()


def test_an_unknown_precision_is_refused():
    with pytest.raises(InvalidInputError, match="precision: input should be 'float32', 'tf32' or 'bf16', got 'fp16'"):
        EGBAD(training=TrainingConfig(precision="fp16")).fit(rows(50, 0))


def test_threads_share_one_precision_and_wait_for_another():
    products = precision._GPUPrecision()
    before = products._now()
    order, together = [], Barrier(2, timeout=10)

    def same(name):
        with products.set_to("tf32"):
            together.wait()  # both are in here at once
            order.append((name, *products._now()[0]))
            with products.set_to("ieee"):
                assert products._now() == (["ieee", "ieee"], True)

    def other():
        with products.set_to("ieee"):
            order.append(("other", *products._now()[0]))

    with ThreadPoolExecutor(3) as pool:
        first = [pool.submit(same, name) for name in "ab"]
        while products.n_threads < 2 and not any(work.done() for work in first):
            sleep(0.001)
        last = pool.submit(other)
        for work in (*first, last):
            work.result(timeout=10)
    assert {name for name, *_ in order[:2]} == {"a", "b"}
    assert order[2] == ("other", "ieee", "ieee")
    assert products._now() == before


def test_bf16_computes_products_in_half_precision_in_its_context_only():
    x = torch.ones(4, 4)
    with matmul_precision("bf16", "cpu"):
        assert (x @ x).dtype == torch.bfloat16
        with matmul_precision("float32", "cpu"):
            assert (x @ x).dtype == torch.float32
        assert (x @ x).dtype == torch.bfloat16
    assert (x @ x).dtype == torch.float32


def test_the_precision_of_the_cpu_leaves_that_of_the_gpu_alone():
    before = is_float32()
    with matmul_precision("tf32", "cpu"):
        assert is_float32() == before


def test_auto_is_the_gpu_where_there_is_one():
    assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device("cpu") == "cpu"


@pytest.mark.parametrize(
    ("device", "message"), [("abc", "device must be one that torch knows.*got 'abc'"), (1.5, "device must be")]
)
def test_an_unknown_device_is_an_error(device, message):
    with pytest.raises(InvalidInputError, match=message):
        resolve_device(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_an_error():
    with pytest.raises(InvalidInputError, match="device='cuda' needs CUDA"):
        resolve_device("cuda")


# -- on a GPU ----------------------------------------------------------------------------------------------------------


@on_gpu
@pytest.mark.parametrize("transposed", [False, True])
def test_a_convolution_of_several_members_gives_on_a_gpu_what_it_gives_on_the_cpu(transposed):
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
def test_gradients_of_convolutions_on_a_gpu_equal_those_on_the_cpu(transposed, n):
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
@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")
@pytest.mark.parametrize("name", ["tf32", "bf16"])
def test_lower_precision_changes_scores_of_images_little(name):
    x, new = (rows(n, seed, 256).reshape(n, 16, 16) for n, seed in ((300, 0), (100, 1)))
    detector = EGBAD(training=TrainingConfig(steps=100), random_state=0).fit(x)
    a = detector.anomaly_score(new)
    detector.settings_ = detector.settings_.model_copy(
        update={"training": detector.settings_.training.model_copy(update={"precision": name})}
    )
    b = detector.anomaly_score(new)
    assert not np.array_equal(a, b)
    assert np.abs(a - b).max() < 0.05 * np.abs(a).max()
