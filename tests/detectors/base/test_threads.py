"""Chunks side by side: in order, without gradients, each on one thread, and torch left as it was."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from egbad.detectors.base.threads import map_threads, products


@pytest.fixture(autouse=True, params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    assert torch.get_num_threads() == request.param, "what was set is left alone"
    torch.set_num_threads(before)


@pytest.mark.parametrize("n", [0, 1, 2, 50])
def test_every_chunk_in_order_on_one_thread_without_gradients(n):
    seen = []

    def work(i):
        seen.append((torch.get_num_threads(), torch.is_grad_enabled()))
        return i * i

    assert map_threads(work, iter(range(n))) == [i * i for i in range(n)]
    assert seen == [(1, False)] * n
    assert torch.is_grad_enabled()


def test_chunks_are_worked_on_at_the_same_time(threads):
    if threads == 1:
        pytest.skip("one thread is one at a time")
    together = threading.Barrier(2, timeout=30)
    places = map_threads(lambda i: together.wait(), range(4))  # a chunk that waits for another would never end alone
    assert sorted(places) == [0, 0, 1, 1]


def test_nobody_waits_for_a_chunk_that_takes_long(threads):
    if threads == 1:
        pytest.skip("one thread is one at a time")
    others = threading.Event()

    def work(i):
        if i == 2 * threads - 1:
            others.set()
        return i > 0 or others.wait(30)

    assert all(map_threads(work, range(4 * threads)))


def test_what_goes_wrong_is_raised():
    def work(i):
        if i == 3:
            raise ValueError("no")
        return i

    with pytest.raises(ValueError, match="no"):
        map_threads(work, range(8))


def test_chunks_are_made_when_they_are_due(threads):
    made = []

    def chunks():
        for i in range(1000):
            made.append(i)
            yield i

    most = []
    map_threads(lambda i: most.append(len(made) - i), chunks())
    assert max(most) <= 8 * threads + 2, "what waits takes memory"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_has_threads_of_its_own():
    assert map_threads(lambda i: i, range(8)) == [*range(8)]
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # rather than to wait for ever
        os._exit(0 if map_threads(lambda i: i, range(8)) == [*range(8)] else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="counts pages as Linux does")
def test_memory_is_kept_from_one_score_to_the_next():
    code = """
import resource, warnings
import numpy as np
from egbad import EGBAD, TrainingConfig
warnings.simplefilter("ignore")
x = np.random.default_rng(0).normal(size=(4096, 8)).astype(np.float32)
detector = EGBAD(training=TrainingConfig(steps=2), alpha=0.1, random_state=0, device="cpu").fit(x[:500])
for _ in range(5):
    detector.anomaly_score(x)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    detector.anomaly_score(x)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 5)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 500, "pages asked for anew at each score; thousands where memory is given back"


def test_products_are_whole_until_the_last_who_asked_is_done():
    def threads():
        return {own["num_threads"] for own in threadpool_info() if own["user_api"] == "blas"}

    with threadpool_limits(2, "blas"):
        before = threads()
        with ExitStack() as first, ExitStack() as second:
            first.enter_context(products.undivided())
            second.enter_context(products.undivided())
            first.close()
            assert threads() == {1}
        assert threads() == before
