"""Memory bank: cluster centres of normal features, and the distance of other features to the nearest centre."""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional as F

from egbad.arrays import distinct_rows
from egbad.nn.generators import MemberGenerators
from egbad.nn.ops import scalar_products
from egbad.nn.precision import matmul_precision

MAX_IMAGES = 20_000  # training images that a memory bank is built from, at most
_MAX_ITERATIONS = 10  # of k-means; more change nothing that matters


def cluster_centres(f: Tensor, size: int, seed: int) -> Tensor:
    """Return the k-means centres (size, m) of unit-length features f (n, m), scaled to unit length.

    With at most `size` distinct features, these are returned, and the last is repeated.
    """
    rows = f.detach().cpu().numpy()
    rows = rows[distinct_rows(rows)]
    if len(rows) > size:
        kmeans = KMeans(size, init="random", n_init=1, max_iter=_MAX_ITERATIONS, random_state=seed % 2**32)
        rows = kmeans.fit(rows).cluster_centers_
    centres = F.normalize(torch.from_numpy(rows).to(f), dim=1)
    return torch.cat([centres, centres[-1:].expand(size - len(centres), -1)])


def nearest_distance(f: Tensor, bank: Tensor) -> Tensor:
    """Return the distance (K, B) of unit-length features f (K, B, m) to the nearest entry of a bank (K, M, m).

    Scalar products find the nearest entry. The distance itself is the norm of the difference, since 2 - 2 cos loses
    the digits of small distances.
    """
    place = scalar_products(f, bank).argmax(2, keepdim=True)  # (K, B, 1)
    entries = bank.gather(1, place.expand(-1, -1, f.shape[2]))
    distance: Tensor = torch.linalg.vector_norm(f - entries, dim=2)
    return distance


class MemoryBank(nn.Module):
    """Bank of `size` cluster centres of normal features of length m, for each of K members.

    Parameters
    ----------
    generators : MemberGenerators
        Their seeds initialise k-means.
    size : int
        Number of centres.
    m : int
        Length of a feature vector.
    """

    remembered: Tensor

    def __init__(self, generators: MemberGenerators, size: int, m: int) -> None:
        super().__init__()
        self.seeds = generators.seeds
        self.register_buffer("remembered", torch.zeros(len(generators), size, m))

    def learn(self, f: Tensor) -> None:
        """Fill the bank with the cluster centres of normal features f (K, n, m)."""
        for member, seed in enumerate(self.seeds):
            self.remembered[member] = cluster_centres(F.normalize(f[member], dim=1), self.remembered.shape[1], seed)

    def forward(self, f: Tensor) -> Tensor:
        """Return the distance (K, B) of normalised features f (K, B, m) to the nearest centre."""
        with matmul_precision("float32", f.device.type):  # products of low precision miss the nearest centre
            return nearest_distance(F.normalize(f.float(), dim=2), self.remembered)


def subsample(x: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Draw at most `MAX_IMAGES` of the training images x (n, c, h, w), in their order."""
    return x if len(x) <= MAX_IMAGES else x[np.sort(np.random.default_rng(seed).permutation(len(x))[:MAX_IMAGES])]
