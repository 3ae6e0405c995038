"""Batches: order, keys, limits, cancellation and failure."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from egbad.service.batching import Batcher


class Recorder:
    """A `process` that notes its batches, waits for a signal, and fails for items that are negative."""

    def __init__(self):
        self.batches, self.release = [], threading.Event()
        self.release.set()

    def __call__(self, items):
        self.batches.append(list(items))
        assert self.release.wait(20)
        if any(item < 0 for item in items):
            raise ValueError("negative")
        return [10 * item for item in items]


def run(scenario, *, max_rows=100, max_running=2, latency_budget=0.0):
    recorder = Recorder()

    async def main():
        with ThreadPoolExecutor(2) as executor:
            batcher = Batcher(
                recorder, executor, max_rows=max_rows, max_running=max_running, latency_budget=latency_budget
            )
            async with asyncio.timeout(20):
                return await scenario(batcher, recorder)

    return asyncio.run(main()), recorder.batches


async def started(recorder, n):
    while len(recorder.batches) < n:
        await asyncio.sleep(0.001)


def test_items_that_come_together_are_one_batch():
    async def scenario(batcher, recorder):
        return await asyncio.gather(*(batcher.submit(i, 1, "a") for i in range(5)))

    results, batches = run(scenario)
    assert results == [0, 10, 20, 30, 40] and batches == [[0, 1, 2, 3, 4]]


def test_items_with_other_keys_are_other_batches():
    async def scenario(batcher, recorder):
        return await asyncio.gather(*(batcher.submit(i, 1, i % 2) for i in range(4)))

    results, batches = run(scenario, max_running=1)
    assert results == [0, 10, 20, 30] and batches == [[0, 2], [1, 3]]


def test_a_batch_has_at_most_max_rows_unless_one_item_has_more():
    async def scenario(batcher, recorder):
        return await asyncio.gather(*(batcher.submit(rows, rows, "a") for rows in (2, 2, 7, 1)))

    assert run(scenario, max_rows=4, max_running=1)[1] == [[2, 2], [7], [1]]


def test_items_wait_for_a_running_batch_within_the_latency_budget():
    async def scenario(batcher, recorder):
        recorder.release.clear()
        first = batcher.submit(1, 1, "a")
        await started(recorder, 1)
        others = [batcher.submit(i, 1, "a") for i in (2, 3)]
        await asyncio.sleep(0)
        assert len(recorder.batches) == 1
        recorder.release.set()
        return await asyncio.gather(first, *others)

    assert run(scenario, latency_budget=60.0)[1] == [[1], [2, 3]]


def test_another_worker_takes_items_that_waited_for_the_budget():
    async def scenario(batcher, recorder):
        recorder.release.clear()
        futures = [batcher.submit(1, 1, "a")]
        await started(recorder, 1)
        futures.append(batcher.submit(2, 1, "a"))
        await started(recorder, 2)
        recorder.release.set()
        return await asyncio.gather(*futures)

    assert run(scenario, latency_budget=0.01)[1] == [[1], [2]]


def test_a_cancelled_item_leaves_the_queue():
    async def scenario(batcher, recorder):
        recorder.release.clear()
        first = batcher.submit(1, 1, "a")
        await started(recorder, 1)
        second, third = (batcher.submit(i, 1, "a") for i in (2, 3))
        second.cancel()
        recorder.release.set()
        return await asyncio.gather(first, third)

    results, batches = run(scenario, latency_budget=60.0)
    assert results == [10, 30] and batches == [[1], [3]]


def test_a_failed_batch_fails_only_the_items_that_cause_it():
    async def scenario(batcher, recorder):
        futures = [batcher.submit(i, 1, "a") for i in (1, 2, -3, 4, 5, 6)]
        return await asyncio.gather(*futures, return_exceptions=True)

    results, _ = run(scenario)
    assert [str(result) for result in results] == ["10", "20", "negative", "40", "50", "60"]


def test_drain_waits_for_running_and_waiting_items():
    async def scenario(batcher, recorder):
        recorder.release.clear()
        futures = [batcher.submit(1, 1, "a")]
        await started(recorder, 1)
        futures.append(batcher.submit(2, 1, "a"))
        drained = asyncio.ensure_future(batcher.drain())
        await asyncio.sleep(0)
        assert not drained.done() and batcher.is_busy
        recorder.release.set()
        await drained
        assert all(future.done() for future in futures) and not batcher.is_busy

    run(scenario, latency_budget=60.0)


def test_drain_of_an_idle_queue_ends_at_once():
    async def scenario(batcher, recorder):
        await batcher.drain()
        future = batcher.submit(1, 1, "a")
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future
        await batcher.drain()

    assert run(scenario)[1] == []
