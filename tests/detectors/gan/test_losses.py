import numpy as np
import pytest
import torch
from torch import nn

from egbad.detectors.gan.losses import (
    correlation_distance,
    cross_entropy_real,
    gan_discriminator_loss,
    gan_generator_loss,
    mean_squared_error,
    norm_distance,
)

A, B = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[0.0, 4.0, 3.0]]])
REAL = torch.tensor([[-3.0, 0.0, 2.0], [1.0, 1.0, 1.0]])
FAKE = torch.tensor([[-1.0, 0.5, 4.0], [0.0, -2.0, 1.0]])


def binary_cross_entropy(logits, label):
    return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label), reduction="none")


def test_norm_distance_by_hand():
    assert norm_distance(A, B).item() == 3
    assert norm_distance(A, B, 2).item() == pytest.approx(5**0.5)


def test_mean_squared_error_by_hand():
    assert mean_squared_error(A, B).item() == pytest.approx(5 / 3)


def test_correlation_distance_equals_that_of_numpy():
    a, b = torch.randn(2, 1, 5, 1, 4, 3, generator=torch.Generator().manual_seed(0))
    distances = correlation_distance(a, b)[0]
    for i in range(5):
        assert distances[i].item() == pytest.approx(1 - np.corrcoef(a[0, i].ravel(), b[0, i].ravel())[0, 1], abs=1e-5)
    assert correlation_distance(a, 3 * a + 1) == pytest.approx(0, abs=1e-5)


def test_cross_entropy_equals_that_of_torch():
    assert torch.allclose(cross_entropy_real(REAL), binary_cross_entropy(REAL, 1.0))


def test_discriminator_loss_is_the_cross_entropy_of_both_labels():
    expected = (binary_cross_entropy(REAL, 1.0) + binary_cross_entropy(FAKE, 0.0)).mean(1)
    assert torch.allclose(gan_discriminator_loss(REAL, FAKE), expected)


def test_generator_loss_swaps_the_labels():
    swapped = (binary_cross_entropy(REAL, 0.0) + binary_cross_entropy(FAKE, 1.0)).mean(1)
    assert torch.allclose(gan_generator_loss(REAL, FAKE), swapped)
    assert torch.allclose(gan_generator_loss(None, FAKE), binary_cross_entropy(FAKE, 1.0).mean(1))
