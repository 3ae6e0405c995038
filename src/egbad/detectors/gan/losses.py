"""Losses of adversarial training, and distances between a sample and its reconstruction."""

import torch
from torch import Tensor
from torch.nn import functional as F

from egbad.nn.ops import softplus


def norm_distance(a: Tensor, b: Tensor, degree: float = 1.0) -> Tensor:
    """Return the norm of a - b over all units.

    Parameters
    ----------
    a, b : Tensor of shape (K, B, ...)
    degree : float, default=1.0
        Degree of the norm.

    Returns
    -------
    Tensor of shape (K, B)
    """
    difference = (a - b).flatten(2)
    if degree == 1:
        return difference.abs_().sum(2)  # vector_norm takes five times as long
    norm: Tensor = torch.linalg.vector_norm(difference, ord=degree, dim=2)
    return norm


def correlation_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return 1 minus the correlation over all units, in [0, 2].

    Parameters
    ----------
    a, b : Tensor of shape (K, B, ...)

    Returns
    -------
    Tensor of shape (K, B)
    """
    a, b = (standardize_units(t) for t in (a, b))
    return 0.5 * ((a - b) ** 2).sum(2)  # equal to 1 - a b, which would lose the digits of small distances


def standardize_units(t: Tensor) -> Tensor:
    """Shift and scale each sample to mean 0 and length 1 over all units.

    Parameters
    ----------
    t : Tensor of shape (K, B, ...)

    Returns
    -------
    Tensor of shape (K, B, d)
    """
    return F.normalize(t.flatten(2) - t.flatten(2).mean(2, keepdim=True), dim=2)


def mean_squared_error(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean of (a - b)^2 over all units.

    Parameters
    ----------
    a, b : Tensor of shape (K, B, ...)

    Returns
    -------
    Tensor of shape (K, B)
    """
    return ((a - b) ** 2).flatten(2).mean(2)


def cross_entropy_real(logits: Tensor) -> Tensor:
    """Return -log sigmoid(logits), the cross-entropy of D's output with the label "real"; sigma(l, 1) in the papers.

    Parameters
    ----------
    logits : Tensor of shape (K, B)

    Returns
    -------
    Tensor of shape (K, B)
    """
    return softplus(-logits)


def gan_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return -log D(real) - log(1 - D(fake)), averaged over rows (Goodfellow et al., 2014, equation 1).

    Parameters
    ----------
    real, fake : Tensor of shape (K, B)
        Logits of D.

    Returns
    -------
    Tensor of shape (K,)
    """
    return (softplus(-real) + softplus(fake)).mean(1)  # softplus(-t) = -log sigmoid(t)


def gan_generator_loss(real: Tensor | None, fake: Tensor) -> Tensor:
    """Return the loss of D's opponents: D's loss with the labels swapped, not its negative.

    Unlike the negative, it has gradients where D is certain (Goodfellow et al., 2014, section 3).

    Parameters
    ----------
    real : Tensor of shape (K, B) or None
        Logits of D on real pairs. None where they do not depend on the opponents.
    fake : Tensor of shape (K, B)
        Logits of D on generated samples.

    Returns
    -------
    Tensor of shape (K,)
    """
    loss = softplus(-fake).mean(1)
    return loss if real is None else loss + softplus(real).mean(1)
