import numpy as np
import pytest

from egbad import EGBAD
from egbad.training import TrainingConfig


@pytest.fixture
def detector(ring):
    return EGBAD(training=TrainingConfig(steps=0), random_state=0, alpha=0.05, device="cpu").fit(ring(300, 0))


@pytest.fixture
def chunk_sizes(detector):
    """Rows of every chunk that the detector scores from now on."""
    sizes, score_terms = [], detector.model_.score_terms
    detector.model_.score_terms = lambda x: sizes.append(x.shape[1]) or score_terms(x)
    return sizes


@pytest.mark.parametrize("n", [1, 5, 300, 600, 904, 2049, 2560, 4096, 5000])
def test_large_chunks_are_used_where_rows_fill_them(detector, chunk_sizes, ring, n):
    x = ring(n, 0)
    for _ in range(2):  # the second time it finds out which sizes have the same bits
        detector.anomaly_score(x)
    chunk_sizes.clear()
    detector.anomaly_score(x)
    usual = 256 * -(-n // 256)
    assert n <= sum(chunk_sizes) <= 1.125 * usual + 2 * 256, "with the rows that fill the last chunk of a batch"
    assert n < 4096 or max(chunk_sizes) > 256 or not any(detector.model_.alike.get(size) for size in (512, 2048))


def test_first_rows_do_not_wait_for_the_comparison_of_chunk_sizes(detector, chunk_sizes, ring):
    x = ring(3, 0)
    del detector.model_.alike
    chunk_sizes.clear()
    first = detector.anomaly_score(x)
    assert chunk_sizes == [256]
    assert np.array_equal(detector.anomaly_score(x), first)
    assert len(chunk_sizes) > 2
