"""Tests of `egbad.detectors.base.batching`."""

import copy
import pickle

import numpy as np
import pytest
import torch

from egbad import EGBAD
from egbad.detectors.base.batching import ModelRunner, batch_size, map_batches, pad_chunks
from egbad.training.config import TrainingConfig


def rows(n, seed, d=5):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


@pytest.fixture(scope="module")
def detector():
    return EGBAD(training=TrainingConfig(steps=0), members=2, alpha=0.1, random_state=0, device="cpu").fit(rows(300, 0))


@pytest.fixture
def runner(detector):
    return ModelRunner(detector.model_, "cpu", "float32")


# -- batches and chunks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parallel", [False, True])
def test_batches_cover_all_rows_in_order(parallel):
    x = rows(10, 0)
    batches = map_batches(lambda batch: batch, x, 4, parallel=parallel)
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert np.array_equal(np.concatenate(batches), x)


@pytest.mark.parametrize(
    ("n", "threads", "expected"),
    [(1, 2, 256), (300, 2, 512), (1023, 4, 1024), (1024, 4, 256), (4096, 2, 2048), (10**6, 2, 4096)],
)
def test_a_batch_is_whole_chunks_and_large_enough_for_a_thread(n, threads, expected):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    size = batch_size(n, 256)
    torch.set_num_threads(before)
    assert size == expected


def test_chunks_have_one_shape_and_the_last_is_padded_with_zeros():
    x = rows(10, 0)
    chunks = [*pad_chunks(x, 4)]
    assert [(chunk.shape, n) for chunk, n in chunks] == [((4, 5), 4), ((4, 5), 4), ((4, 5), 2)]
    assert np.array_equal(np.concatenate([chunk[:n] for chunk, n in chunks]), x)
    assert not chunks[-1][0][2:].any()


# -- running a model ---------------------------------------------------------------------------------------------------


def test_all_members_share_a_chunk(runner):
    ((chunk, n),) = runner.chunks(rows(3, 0))
    assert chunk.shape == (2, 256, 5) and n == 3
    assert torch.equal(chunk[0], chunk[1])


@pytest.mark.parametrize("n", [1, 300, 2500])
def test_a_function_is_mapped_over_the_rows_without_padding(runner, n):
    x = rows(n, 1)
    found = runner.map(lambda chunk, n: chunk[0, :n].clone(), x)
    assert np.array_equal(torch.cat(found).numpy(), x)
    assert np.array_equal(torch.cat(runner.map_serial(lambda chunk, n: chunk[0, :n].clone(), x)).numpy(), x)


def test_chunk_sizes_that_may_replace_the_standard_size_have_its_bits(runner):
    x = rows(2048, 2)
    standard = runner.model.score_terms(next(runner.chunks(x))[0])
    for size in runner.model.other_chunk_rows:
        if runner.has_same_bits(size, (5,)):
            chunk = next(runner.chunks(x, size))[0]
            with torch.no_grad():
                terms = runner.model.score_terms(chunk)
            m = min(size, 256)
            assert all(torch.equal(terms[name][:, :m], standard[name][:, :m]) for name in terms)


def test_whether_a_chunk_size_has_the_same_bits_is_decided_once(runner):
    asked = []
    score_terms = runner.model.score_terms
    runner.model.score_terms = lambda x: asked.append(x.shape[1]) or score_terms(x)
    first = runner.has_same_bits(4, (5,))
    n_asked = len(asked)
    assert n_asked > 0 and runner.has_same_bits(4, (5,)) == first and len(asked) == n_asked
    del runner.model.score_terms


@pytest.mark.parametrize("n", [1, 5, 300, 600, 904, 2049, 2560, 4096, 5000])
def test_large_chunks_are_used_where_they_need_little_padding(n):
    x, computed = rows(n, 0), []
    one = EGBAD(training=TrainingConfig(steps=0), random_state=0, alpha=0.05, device="cpu").fit(rows(300, 0))
    one.anomaly_score(x)  # compares the chunk sizes
    score_terms, sizes = one.model_.score_terms, (512, 2048)
    one.model_.score_terms = lambda x: computed.append(x.shape[1]) or score_terms(x)
    one.anomaly_score(x)
    standard = 256 * -(-n // 256)
    assert n <= sum(computed) <= 1.125 * standard + 2 * 256, "besides the padding of the last chunk of a batch"
    runner = ModelRunner(pickle.loads(pickle.dumps(EGBAD.from_file(*one.content()).model_)), "cpu", "float32")
    assert n < 4096 or max(computed) > 256 or not any(runner.has_same_bits(size, (5,)) for size in sizes)


def test_scores_are_the_same_before_and_after_chunk_sizes_are_compared(detector):
    x = rows(2500, 3)
    fresh = pickle.loads(pickle.dumps(detector))
    first = fresh.anomaly_score(x[:3])
    scores = fresh.anomaly_score(x)
    assert np.array_equal(first, scores[:3])
    assert np.array_equal(fresh.anomaly_score(x), scores)
    assert np.array_equal(fresh.anomaly_score(x[2000:2100]), scores[2000:2100])


def test_a_chunk_size_with_other_bits_is_not_used(detector):
    fresh = pickle.loads(pickle.dumps(detector))
    score_terms, sizes = fresh.model_.score_terms, []

    def other_bits_in_small_chunks(x):
        sizes.append(x.shape[1])
        terms = score_terms(x)
        return terms if x.shape[1] >= 256 else {name: values + 1 for name, values in terms.items()}

    fresh.model_.score_terms = other_bits_in_small_chunks
    assert np.array_equal(fresh.anomaly_score(rows(3, 1)), detector.anomaly_score(rows(3, 1)))
    assert sizes[-1] == 256


def test_a_copy_of_a_runner_decides_about_chunk_sizes_itself(runner):
    runner.has_same_bits(4, (5,))
    for again in (copy.deepcopy(runner), pickle.loads(pickle.dumps(runner))):
        assert isinstance(again, ModelRunner) and again.members == 2 and again.precision == "float32"
        assert np.array_equal(
            torch.cat([t["residual"] for t in again.terms(rows(9, 0))], dim=1),
            torch.cat([t["residual"] for t in runner.terms(rows(9, 0))], dim=1),
        )


def test_a_member_is_a_view_of_the_ensemble(detector):
    model = copy.deepcopy(detector.model_)
    member = model.member(1)
    x = torch.from_numpy(rows(7, 0))
    with torch.no_grad():
        for _ in range(2):
            alone, stacked = member.score_terms(x[None]), model.score_terms(x.expand(2, 7, 5))
            assert all(torch.equal(alone[name], stacked[name][1:]) for name in stacked)
            for values in model.parameters():
                values *= 1.01
