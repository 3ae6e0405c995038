"""A memory of normal features: the directions that they crowd around, and how far others lie from the nearest of those."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from egbad.arrays import distinct_rows
from egbad.nn.generators import MemberGenerators
from egbad.nn.ops import scalar_products
from egbad.nn.precision import matmul_precision

SEEN = 20_000  # training images that a memory is made of, at most
_ROUNDS = 10  # of k-means: later ones move nothing that counts


def centres(f: Tensor, size: int, seed: int) -> Tensor:
    """Directions that features f (n, m) of length 1 crowd around -> (size, m), of length 1: k-means, by scikit-learn.

    Where there are no more features than that, themselves, the last again and again.
    """
    from sklearn.cluster import KMeans  # costs more to import than scoring needs

    rows = f.detach().cpu().numpy()
    rows = rows[distinct_rows(rows)]
    if len(rows) > size:
        kmeans = KMeans(size, init="random", n_init=1, max_iter=_ROUNDS, random_state=seed % 2**32)
        rows = kmeans.fit(rows).cluster_centers_
    found = F.normalize(torch.from_numpy(rows).to(f), dim=1)
    return torch.cat([found, found[-1:].expand(size - len(found), -1)])


def nearest(f: Tensor, remembered: Tensor) -> Tensor:
    """Distance of features f (K, B, m) of length 1 to the nearest remembered ones (K, M, m), (K, B).

    Products say which is the nearest; how far it is, a difference says: 2 - 2 cos loses the digits of what is near.
    """
    place = scalar_products(f, remembered).argmax(2, keepdim=True)  # (K, B, 1)
    found = remembered.gather(1, place.expand(-1, -1, f.shape[2]))
    distance: Tensor = torch.linalg.vector_norm(f - found, dim=2)
    return distance


class MemoryBank(nn.Module):
    """What K members remember of normal features of length m: `size` directions each."""

    remembered: Tensor

    def __init__(self, generators: MemberGenerators, size: int, m: int) -> None:
        super().__init__()
        self.seeds = generators.seeds
        self.register_buffer("remembered", torch.zeros(len(generators), size, m))

    def learn(self, f: Tensor) -> None:
        """Remember normal features f (K, n, m)."""
        for member, seed in enumerate(self.seeds):
            self.remembered[member] = centres(F.normalize(f[member], dim=1), self.remembered.shape[1], seed)

    def forward(self, f: Tensor) -> Tensor:
        """How far features f (K, B, m) lie from all that is remembered, by cosine, (K, B)."""
        with matmul_precision("float32", f.device.type):  # coarse products miss the nearest
            return nearest(F.normalize(f.float(), dim=2), self.remembered)


def subsample(x: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """As many of the training images x (n, c, h, w), drawn at random, as a memory is made of."""
    return x if len(x) <= SEEN else x[np.sort(np.random.default_rng(seed).permutation(len(x))[:SEEN])]
