"""Scores, attributions and reconstructions of an ensemble: means and spreads over its members."""

import numpy as np
import torch
from torch import Tensor

from egbad.arrays import Array, Floats
from egbad.detectors.base.batching import ModelRunner
from egbad.detectors.base.inputs import Encoded
from egbad.detectors.base.model import total
from egbad.explain.explanation import Attribution
from egbad.training.health import tie_probes, tied_members


def member_terms(runner: ModelRunner, x: Encoded) -> dict[str, Floats]:
    """Return the score terms of every member.

    Parameters
    ----------
    runner : ModelRunner
    x : ndarray of shape (n, ...)
        Encoded rows or images.

    Returns
    -------
    dict of str to ndarray of shape (K, n)
    """
    batches = runner.terms(x)
    return {name: torch.cat([terms[name] for terms in batches], dim=1).cpu().numpy() for name in batches[0]}


def mean_terms(runner: ModelRunner, x: Encoded) -> dict[str, Floats]:
    """Return the score terms, averaged over the members.

    Parameters
    ----------
    runner : ModelRunner
    x : ndarray of shape (n, ...)
        Encoded rows or images.

    Returns
    -------
    dict of str to ndarray of shape (n,)
    """
    batches: dict[str, list[Array]] = {}
    for terms in runner.terms(x):
        for name, values in terms.items():
            batches.setdefault(name, []).append(values.mean(0).cpu().numpy())
    return {name: np.concatenate(values) for name, values in batches.items()}


def mean_reconstruction(runner: ModelRunner, x: Encoded) -> Array:
    """Return the reconstructions, averaged over the members.

    Parameters
    ----------
    runner : ModelRunner
    x : ndarray of shape (n, ...)
        Encoded rows or images.

    Returns
    -------
    ndarray of shape (n, ...)
    """

    def reconstruct(chunk: Tensor, n: int) -> Array:
        return np.asarray(runner.model.reconstruct(chunk)[:, :n].float().mean(0).cpu().numpy())

    return np.concatenate(runner.map(reconstruct, x))


def mean_attribution(runner: ModelRunner, x: Encoded) -> Attribution:
    """Attribute the scores to columns or pixels by the model's own method, averaged over the members.

    Parameters
    ----------
    runner : ModelRunner
    x : ndarray of shape (n, ...)
        Encoded rows or images.

    Returns
    -------
    Attribution
    """

    def attribute(chunk: Tensor, n: int) -> tuple[Array, Array, dict[str, Tensor]]:
        found = runner.model.attribute(chunk)
        shares, expected = (v[:, :n].detach().double().mean(0).cpu().numpy() for v in (found.shares, found.expected))
        return shares, expected, {name: v.detach().double()[:, :n] for name, v in found.terms.items()}

    batches = runner.map(attribute, x, attributes=True)
    shares, expected = (np.concatenate([batch[i] for batch in batches]) for i in (0, 1))
    member_terms = [batch[2] for batch in batches]
    terms = {
        name: torch.cat([batch[name] for batch in member_terms], dim=1).mean(0).cpu().numpy()
        for name in member_terms[0]
    }
    # The part of the score that is not attributed: the score of the expected input, and rounding.
    base = np.asarray(sum(terms.values())) - shares.reshape(len(x), -1).sum(axis=1)
    spread = _spread(member_terms) if runner.members > 1 else None
    return Attribution(shares, base, expected, runner.model.attribution_method, terms, spread)


def mean_loss(runner: ModelRunner, x: Encoded) -> Tensor:
    """Return the validation loss of each member, averaged over rows or images.

    Parameters
    ----------
    runner : ModelRunner
        Model of K members.
    x : ndarray of shape (n, ...)
        Encoded rows or images held out of training.

    Returns
    -------
    Tensor of shape (K,)
    """
    losses = [runner.model.criterion(chunk)[:, :n].sum(1) for chunk, n in runner.chunks(x)]
    return torch.stack(losses).sum(0) / len(x)


def find_tied_members(runner: ModelRunner, x: Encoded) -> list[int]:
    """Return the members that give many different rows or images near x the same score.

    Parameters
    ----------
    runner : ModelRunner
    x : ndarray of shape (n, ...)
        Encoded training rows or images.

    Returns
    -------
    list of int
    """
    probes = tie_probes(x[: runner.chunk_size(x.shape[1:])])
    if probes is None:
        return []
    return tied_members(np.concatenate([total(terms).cpu().numpy() for terms in runner.terms(probes)], axis=1))


def _spread(batches: list[dict[str, Tensor]]) -> Floats:
    """Return the standard deviation (n,) over members of scores, given batches of terms (K, n)."""
    scores = torch.cat([total(terms) for terms in batches], dim=1)
    return np.asarray(scores.std(0, correction=1).cpu().numpy())
