"""TODO."""

import torch
from torch import Tensor
from torch.nn.functional import softplus


def norm_distance(a: Tensor, b: Tensor, degree: float = 1.0) -> Tensor:
    """|a - b| of the given degree over all units, a and b (K, B, ...) -> (K, B)."""
    difference = (a - b).flatten(2)
    if degree == 1:
        return difference.abs_().sum(2)  # vector_norm takes five times as long
    norm: Tensor = torch.linalg.vector_norm(difference, ord=degree, dim=2)
    return norm


def mean_squared_error(a: Tensor, b: Tensor) -> Tensor:
    """Mean over all units of (a - b)^2, a and b (K, B, ...) -> (K, B)."""
    return ((a - b) ** 2).flatten(2).mean(2)


def cross_entropy_real(logits: Tensor) -> Tensor:
    """sigma(l, 1) = -log sigmoid(l): how little D takes it for a real one, logits (K, B) -> (K, B)."""
    return softplus(-logits)


def gan_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-log D(real) - log(1 - D(fake)), logits (K, B) -> (K,)."""
    return (softplus(-real) + softplus(fake)).mean(1)  # softplus(-t) = -log sigmoid(t)


def gan_generator_loss(real: Tensor | None, fake: Tensor) -> Tensor:
    """What D's opponents minimise, logits (K, B) -> (K,): the labels are swapped, not the sign of D's loss.

    So gradients live on when D is sure (Goodfellow et al., 2014). `real` is None where nobody stands behind it.
    """
    loss = softplus(-fake).mean(1)
    return loss if real is None else loss + softplus(real).mean(1)
