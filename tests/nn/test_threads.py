"""Tests of `egbad.nn.threads`."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from egbad.detectors.pca import PCA
from egbad.detectors.registry import create
from egbad.nn.threads import BlasThreadLimit, call_after_fork, map_threads, one_thread, start_process

forks = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    assert torch.get_num_threads() == request.param, "the number of threads must be restored"
    torch.set_num_threads(before)


def blas_thread_numbers():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def exit_code_of_child(work):
    """Fork, and return 0 if `work` returns True in the child; a child that hangs is killed."""
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(0 if work() else 1)
    return os.waitpid(child, 0)[1]


# -- map_threads -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 50])
def test_results_are_in_order_and_each_item_has_one_thread_and_no_gradients(n, threads):
    seen = []

    def work(i):
        seen.append((torch.get_num_threads(), torch.is_grad_enabled()))
        return i * i

    assert map_threads(work, iter(range(n))) == [i * i for i in range(n)]
    assert seen == [(1, False)] * n
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("threads", [3], indirect=True)
def test_items_are_computed_at_the_same_time(threads):
    barrier = threading.Barrier(2, timeout=30)
    places = map_threads(lambda i: barrier.wait(), range(4))  # an item that waits for another would never end alone
    assert sorted(places) == [0, 0, 1, 1]


@pytest.mark.parametrize("threads", [3], indirect=True)
def test_a_slow_item_does_not_hold_up_the_others(threads):
    others_done = threading.Event()

    def work(i):
        if i == 2 * threads - 1:
            others_done.set()
        return i > 0 or others_done.wait(30)

    assert all(map_threads(work, range(4 * threads)))


@pytest.mark.parametrize("threads", [3], indirect=True)
def test_no_more_threads_are_used_than_allowed(threads):
    used = set()
    map_threads(lambda i: used.add(threading.current_thread().name), range(50), max_threads=2)
    assert len(used) <= 2


def test_an_error_is_raised_and_ends_the_work(threads):
    taken = []

    def work(i):
        taken.append(i)
        if i == 3:
            raise ValueError("no")
        return i

    with pytest.raises(ValueError, match="no"):
        map_threads(work, range(1000))
    assert len(taken) < 1000


def test_items_are_taken_when_a_thread_is_free(threads):
    done, unfinished = [], []

    def items():
        for i in range(1000):
            unfinished.append(i - len(done))
            yield i

    map_threads(done.append, items())
    assert max(unfinished) <= threads + 1, "items that wait take memory"


def test_the_other_threads_end_with_the_call(threads):
    before = threading.active_count()
    map_threads(lambda i: i, range(8))
    assert threading.active_count() == before


def test_several_threads_may_map_at_the_same_time(threads):
    with ThreadPoolExecutor(3) as pool:
        runs = [*pool.map(lambda k: map_threads(lambda i: k * i, range(20)), range(6))]
    assert runs == [[k * i for i in range(20)] for k in range(6)]


@pytest.mark.parametrize("mark", [pytest.param(None, marks=forks)])
def test_a_forked_child_maps_on_threads_of_its_own(mark, threads):
    assert map_threads(lambda i: i, range(8)) == [*range(8)]
    assert exit_code_of_child(lambda: map_threads(lambda i: i, range(8)) == [*range(8)]) == 0


@pytest.mark.parametrize("mark", [pytest.param(None, marks=forks)])
def test_a_forked_child_scores_like_its_parent(mark):
    x = np.random.default_rng(0).normal(size=(3000, 4))
    detector = PCA(alpha=0.1, random_state=0).fit(x[:500])
    scores = detector.anomaly_score(x)
    assert exit_code_of_child(lambda: np.array_equal(detector.anomaly_score(x), scores)) == 0


def test_one_thread_is_lifted_after_an_error():
    before, inside = torch.get_num_threads(), []
    with pytest.raises(ZeroDivisionError), one_thread():
        inside.append(torch.get_num_threads() // (torch.get_num_threads() - 1))
    assert torch.get_num_threads() == before


# -- BlasThreadLimit ---------------------------------------------------------------------------------------------------


def test_blas_has_one_thread_until_the_last_caller_is_done():
    blas = BlasThreadLimit()
    with threadpool_limits(2, "blas"):
        before = blas_thread_numbers()
        with ExitStack() as first, ExitStack() as second:
            first.enter_context(blas.single_thread())
            second.enter_context(blas.single_thread())
            first.close()
            assert blas_thread_numbers() == {1}
        assert blas_thread_numbers() == before


@pytest.mark.parametrize("mark", [pytest.param(None, marks=forks)])
def test_a_child_forked_while_another_thread_sets_the_limit_does_not_hang(mark):
    blas = BlasThreadLimit()
    with blas.single_thread(), blas._lock:  # as another thread may hold it

        def enter():
            with blas.single_thread():
                return blas_thread_numbers() == {1}

        assert exit_code_of_child(enter) == 0


# -- call_after_fork ---------------------------------------------------------------------------------------------------


def test_without_a_fork_a_function_runs_on_the_calling_thread():
    assert call_after_fork(threading.get_ident) == threading.get_ident()


@pytest.mark.parametrize("mark", [pytest.param(None, marks=forks)])
def test_after_a_fork_a_function_runs_on_a_new_thread_with_the_same_limits(mark):
    def work():
        with threadpool_limits(1):
            ident, numbers = call_after_fork(lambda: (threading.get_ident(), blas_thread_numbers()))
        try:
            call_after_fork(lambda: 1 / 0)
        except ZeroDivisionError:
            return ident != threading.get_ident() and numbers == {1}

    assert exit_code_of_child(work) == 0


@pytest.mark.parametrize("mark", [pytest.param(None, marks=forks)])
def test_a_started_process_runs_a_function_on_the_calling_thread_although_it_is_forked(mark):
    def work():
        start_process()
        return call_after_fork(threading.get_ident) == threading.get_ident()

    assert exit_code_of_child(work) == 0


@pytest.mark.parametrize("mark", [pytest.param(None, marks=forks)])
@pytest.mark.parametrize(("name", "options"), [("egbad", {"training__steps": 3}), ("knn", {}), ("blend", {})])
def test_a_forked_child_fits_as_its_parent_does(name, options, threads, mark):
    x = np.random.default_rng(0).normal(size=(300, 4))

    def fit():
        return create(name, random_state=0, alpha=0.1, **options).fit(x).anomaly_score(x)

    expected = fit()
    assert exit_code_of_child(lambda: np.array_equal(fit(), expected)) == 0
