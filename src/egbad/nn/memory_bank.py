"""Memory of normal features: directions that represent them, and the distance of other features to the nearest of these."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from egbad.arrays import distinct_rows
from egbad.nn.generators import MemberGenerators
from egbad.nn.ops import scalar_products
from egbad.nn.precision import matmul_precision

MAX_IMAGES = 20_000  # training images that a memory learns from, at most
_KMEANS_ROUNDS = 10  # later rounds no longer change the scores


def cluster_centres(f: Tensor, size: int, seed: int) -> Tensor:
    """Return directions that represent features, by scikit-learn's k-means.

    Parameters
    ----------
    f : Tensor of shape (n, m)
        Features of length 1.
    size : int
        Number of centres.
    seed : int

    Returns
    -------
    Tensor of shape (size, m)
        Centres of length 1. If there are no more than `size` distinct features, these themselves, the last one repeated.
    """
    from sklearn.cluster import KMeans  # takes 0.2 seconds to import, and scoring does not need it

    rows = f.detach().cpu().numpy()
    rows = rows[distinct_rows(rows)]
    if len(rows) > size:
        kmeans = KMeans(size, init="random", n_init=1, max_iter=_KMEANS_ROUNDS, random_state=seed % 2**32)
        rows = kmeans.fit(rows).cluster_centers_
    centres = F.normalize(torch.from_numpy(rows).to(f), dim=1)
    return torch.cat([centres, centres[-1:].expand(size - len(centres), -1)])


def nearest_distance(f: Tensor, remembered: Tensor) -> Tensor:
    """Return the distance of features to the nearest remembered ones.

    The nearest is found by scalar products. Its distance is computed from the difference: 2 - 2 cos loses the digits of
    small distances.

    Parameters
    ----------
    f : Tensor of shape (K, B, m)
        Features of length 1.
    remembered : Tensor of shape (K, M, m)
        Features of length 1.

    Returns
    -------
    Tensor of shape (K, B)
    """
    index = scalar_products(f, remembered).argmax(2, keepdim=True)  # (K, B, 1)
    nearest = remembered.gather(1, index.expand(-1, -1, f.shape[2]))
    distance: Tensor = torch.linalg.vector_norm(f - nearest, dim=2)
    return distance


class MemoryBank(nn.Module):
    """Memory of normal features of each ensemble member.

    Parameters
    ----------
    generators : MemberGenerators
        Their seeds are those of k-means.
    size : int
        Number of remembered directions.
    m : int
        Number of features.

    Attributes
    ----------
    remembered : Tensor of shape (K, size, m)
    """

    remembered: Tensor

    def __init__(self, generators: MemberGenerators, size: int, m: int) -> None:
        super().__init__()
        self.seeds = generators.seeds
        self.register_buffer("remembered", torch.zeros(len(generators), size, m, dtype=torch.float32))

    def learn(self, f: Tensor) -> None:
        """Remember the centres of normal features f (K, n, m)."""
        for member, seed in enumerate(self.seeds):
            self.remembered[member] = cluster_centres(F.normalize(f[member], dim=1), self.remembered.shape[1], seed)

    def forward(self, f: Tensor) -> Tensor:
        """Map features f (K, B, m) to the distance (K, B) of their direction from the nearest remembered one."""
        with matmul_precision("float32", f.device.type):  # less precise products miss the nearest
            return nearest_distance(F.normalize(f.float(), dim=2), self.remembered)


def subsample(x: NDArray[np.float32], seed: int, max_images: int = MAX_IMAGES) -> NDArray[np.float32]:
    """Draw the training images that a memory learns from.

    Parameters
    ----------
    x : ndarray of shape (n, c, h, w)
    seed : int
    max_images : int

    Returns
    -------
    ndarray of shape (min(n, max_images), c, h, w)
        In the order of x.
    """
    if len(x) <= max_images:
        return x
    return x[np.sort(np.random.default_rng(seed).permutation(len(x))[:max_images])]
