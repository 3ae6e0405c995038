"""Contrastive: what is normal, learnt by telling its examples apart, and read out by the nearest of them.

Images: instance discriminator_loss with shifted negatives (CSI; Tack et al., 2020, arXiv:2007.08176). Two random views of an
image must be each other's nearest among all others, among which are its own turns; a class head says which turn it is. A
memory of the training images' features scores: how far the nearest lies, by cosine.
Rows: internal contrastive learning (ICL; Shenkar and Wolf, 2022, ICLR). A part of a row's columns must find the rest of
them among the rest of other parts of the same row; the score is how badly it does.

Departures: images without a background are standardised one by one; a memory of fixed size, the centres of the training
images' features; parts are drawn columns, not neighbouring ones, since neighbours mean nothing in most tables.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from egbad.detectors.base import Encoded, Model, TorchDetector, TorchSettings
from egbad.nn.augmentation import affine, thickness, turned
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import BatchNorm, Conv, Linear, Reshape, leaky
from egbad.nn.memory_bank import MemoryBank, subsample
from egbad.nn.networks import mlp
from egbad.nn.ops import scalar_products
from egbad.training.players import Player

TURNS = 4
_FLAT = 1e-3  # the deviation of an image that shows nothing
# How far views move things on a background, which may stand anyhow, and pictures that fill their frame.
_ON_BACKGROUND = {"turn": 25.0, "scale": 0.25, "shear": 0.35, "shift": 0.1, "thickness": 0.7}
_FILLING = {"turn": 0.0, "scale": 0.3, "shear": 0.0, "shift": 0.15, "thickness": 0.0}


# -- formulas ----------------------------------------------------------------------------------------------------------


def nt_xent(z: Tensor, temperature: float) -> Tensor:
    """Normalised temperature-scaled cross-entropy (Chen et al., 2020, equation 1), (K,).

    z (K, 2 N, m): item i and item i + N are two views of one thing, all others are to be told from them.
    """
    z = F.normalize(z, dim=2)
    n = z.shape[1] // 2
    alike = scalar_products(z, z) / temperature  # (K, 2 N, 2 N)
    alike = alike.masked_fill(torch.eye(2 * n, dtype=torch.bool, device=z.device), -torch.inf)
    partner = torch.cat([alike.diagonal(offset, 1, 2) for offset in (n, -n)], dim=1)  # (K, 2 N)
    found: Tensor = torch.logsumexp(alike, 2) - partner
    return found.mean(1)


def evened(x: Tensor) -> Tensor:
    """Images x (K, B, c, h, w), each taken to mean 0 and standard deviation 1."""
    flat = x.flatten(2)
    flat = flat - flat.mean(2, keepdim=True)
    return (flat / (flat.std(2, keepdim=True) + _FLAT)).view(x.shape)


# -- the models --------------------------------------------------------------------------------------------------------


class ContrastiveSettings(TorchSettings):
    """Every value decided."""

    width: int = Field(ge=1)
    n_features: int = Field(default=128, ge=1)
    n_projection: int = Field(default=64, ge=1)
    temperature: float = Field(default=0.2, gt=0)
    turn: float | None = Field(default=None, ge=0)
    scale: float | None = Field(default=None, ge=0)
    shear: float | None = Field(default=None, ge=0)
    shift: float | None = Field(default=None, ge=0, le=1)
    thickness: float | None = Field(default=None, ge=0, le=1)
    memory_size: int = Field(default=512, ge=16, multiple_of=16)
    parts: int = Field(default=32, ge=2)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Values for encoded rows (d,) or images (c, h, w)."""
    if len(shape) == 1:
        return {
            "width": 128,
            "temperature": 0.1,
            "preprocessing": {"range_guard": True},
            "training": {"learning_rate": 1e-3, "batch_size": 64, "steps": 1000},
        }
    batch = max(16, min(56, 56 * 28**2 // (shape[1] * shape[2])))  # larger images: fewer a step, which lasts as long
    training = {"learning_rate": 2e-3, "beta1": 0.9, "batch_size": batch, "steps": 2000, "ema_decay": 0.0}
    return {"width": 16, "training": training}


class CSIModel(Model[ContrastiveSettings]):
    """Images: trunk, projection, class head and memory."""

    framed: Tensor

    def __init__(self, shape: tuple[int, ...], settings: ContrastiveSettings, generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        s, members = settings, len(generators)
        self.trunk = _trunk(generators, shape, s.width, s.n_features)
        self.project = nn.Sequential(
            nn.LeakyReLU(0.1),
            Linear(generators, s.n_features, s.n_features),
            nn.ReLU(),
            Linear(generators, s.n_features, s.n_projection),
        )
        self.classify = nn.Sequential(nn.LeakyReLU(0.1), Linear(generators, s.n_features, TURNS))
        self.of_trunk = nn.ModuleList([MemoryBank(generators, s.memory_size, s.n_features) for _ in range(TURNS)])
        self.of_projection = nn.ModuleList(
            [MemoryBank(generators, s.memory_size, s.n_projection) for _ in range(TURNS)]
        )
        self.register_buffer("framed", torch.zeros(members, dtype=torch.bool))
        self.background: Tensor | None = None  # (K, c)
        self.moves: dict[str, float] = {}  # of views, once it is known what the images show
        self.thickness = 0.0

    def prepare(self, x: Tensor) -> None:
        """See whether images x (n, c, h, w) show things on a background: whether pixels at their edges are mostly one value.

        Nearly all must be for the background to be known well enough to fill in what views move into the frame.
        """
        edges = torch.cat([x[..., 0, :], x[..., -1, :], x[..., 0], x[..., -1]], dim=-1)  # (n, c, edge)
        middle = edges.transpose(0, 1).flatten(1).median(1).values  # (c,)
        alike = float(((edges - middle[None, :, None]).abs() < 0.1).float().mean())
        self.background = middle.expand(len(self.generators), -1) if alike > 0.9 else None
        self.framed.fill_(self.background is not None)
        usual, given = _ON_BACKGROUND if alike > 0.5 else _FILLING, dict(self.settings)
        self.moves = {name: far if given[name] is None else given[name] for name, far in usual.items()}
        self.thickness = self.moves.pop("thickness")

    def players(self) -> tuple[Player, ...]:
        return (Player("contrast", [*self.parameters()], self.loss),)

    def view(self, x: Tensor) -> Tensor:
        """A random view of images (K, B, c, h, w)."""
        x = affine(x, self.background, self.generators, **self.moves)
        return thickness(x, self.generators, self.thickness) if self.thickness else x

    def shown(self, x: Tensor) -> Tensor:
        """Images (K, B, c, h, w) as the trunk meets them: without a background, how they are lit must not count."""
        # By choosing among values, not among ways, so that it can be exported: all members have the same training images.
        return _by_pixel(torch.where(self.framed.view(-1, 1, 1, 1, 1), x, evened(x)))

    def loss(self, x: Tensor) -> Tensor:
        """Contrast over all items, and cross-entropy of the class head, (K,)."""
        items = torch.cat([*turned(self.view(x)), *turned(self.view(x))], dim=1)  # (K, 2 N, ...)
        # What `shown` chooses, chosen before it is made: nothing is exported here.
        h = self.trunk(_by_pixel(evened(items) if self.background is None else items))  # (K, 2 N, m)
        labels = torch.arange(TURNS, device=x.device).repeat_interleave(x.shape[1]).repeat(2 * len(x))
        told = F.cross_entropy(self.classify(h).flatten(0, 1), labels, reduction="none").view(len(x), -1)
        return nt_xent(self.project(h), self.settings.temperature) + told.mean(1)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the trunk and of the projection for every turn of x (K, B, ...): (K, 4, B, m)."""
        views = turned(x)
        h = self.trunk(self.shown(views.transpose(0, 1).flatten(1, 2)))  # (K, 4 B, m)
        parts = (h, self.project(h))
        trunk, projection = (f.view(len(x), TURNS, x.shape[1], -1) for f in parts)
        return trunk, projection

    def finalize(self, chunks: Iterator[Tensor]) -> None:
        """Remember the features of the given training images."""
        found = [self.features(x) for x in chunks]
        for memories, features in zip((self.of_trunk, self.of_projection), zip(*found, strict=True), strict=True):
            f = torch.cat(features, dim=2)  # (K, 4, n, m)
            for turn, memory in enumerate(memories):
                cast(MemoryBank, memory).learn(f[:, turn])

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """The sum over turns of how far the nearest that is remembered lies, by the projection and by the trunk."""
        trunk, projection = self.features(x)

        def far(f: Tensor, memories: nn.ModuleList) -> Tensor:
            return torch.stack([memory(f[:, turn]) for turn, memory in enumerate(memories)]).sum(0)

        return {"projection": far(projection, self.of_projection), "trunk": far(trunk, self.of_trunk)}


def _by_pixel(x: Tensor) -> Tensor:
    """The same images (K, B, c, h, w), the channels of a pixel side by side: convolutions of few channels are faster so."""
    return x.movedim(2, -1).clone(memory_format=torch.contiguous_format).movedim(-1, 2)


def _trunk(generators: MemberGenerators, shape: tuple[int, ...], width: int, m: int) -> nn.Sequential:
    """Strided convolutions with batch normalisation until four pixels are left, then m features."""
    c, h, w = shape
    layers: list[nn.Module] = []
    while min(h, w) > 4 or len(layers) < 6:
        kernel = 4 if h % 2 == 0 and w % 2 == 0 else 3
        out = width * min(2 ** (len(layers) // 3), 4)
        layers += [Conv(generators, c, out, kernel, 2, 1), BatchNorm(generators, out, momentum=0.1), leaky()]
        c, h, w = out, (h + 2 - kernel) // 2 + 1, (w + 2 - kernel) // 2 + 1
    return nn.Sequential(*layers, Reshape(c * h * w), Linear(generators, c * h * w, m))


class ICLModel(Model[ContrastiveSettings]):
    """Rows: a network for a part of the columns, one for the rest, and the parts."""

    other_chunk_rows = (4, 32)  # a row is many rows to the networks: chunks are large as they are
    gpu_chunks = 8
    part: Tensor
    rest: Tensor

    def __init__(self, shape: tuple[int, ...], settings: ContrastiveSettings, generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        s, d = settings, shape[0]
        size = max(1, d // 4)
        orders = torch.stack([generators.permutations(d) for _ in range(s.parts)], dim=1)  # (K, J, d)
        self.register_buffer("part", orders[..., :size].clone())  # (K, J, size)
        self.register_buffer("rest", orders[..., size:].clone() if d > 1 else orders.clone())
        widths = (s.width, s.width, s.n_projection)
        self.f = mlp(generators, (size + s.parts, *widths))
        self.g = mlp(generators, (self.rest.shape[2] + s.parts, *widths))

    def players(self) -> tuple[Player, ...]:
        return (Player("contrast", [*self.parameters()], self.loss),)

    def logits(self, x: Tensor) -> Tensor:
        """How well each part of rows x (K, B, d) fits the rest that belongs to each part, (K, B, J, J)."""
        x = self.preprocess(x)
        one, other = (
            F.normalize(net(self._of(x, places)), dim=2) for net, places in ((self.f, self.part), (self.g, self.rest))
        )
        members, n, parts = *x.shape[:2], self.settings.parts
        a, b = (f.reshape(members * n, parts, -1) for f in (one, other))
        return scalar_products(a, b).view(members, n, parts, parts) / self.settings.temperature

    def _of(self, x: Tensor, places: Tensor) -> Tensor:
        """The columns `places` (K, J, m) of rows x (K, B, d), and which part it is: (K, B J, m + J)."""
        members, n, parts = *x.shape[:2], places.shape[1]
        flat = places.flatten(1)[:, None].expand(-1, n, -1)
        columns = x.gather(2, flat).view(members, n, parts, -1)
        which = torch.eye(parts, dtype=x.dtype, device=x.device).expand(members, n, parts, parts)
        return torch.cat([columns, which], dim=3).flatten(1, 2)

    def each(self, x: Tensor) -> Tensor:
        """-log p(the right rest) averaged over parts, (K, B)."""
        found: Tensor = -torch.log_softmax(self.logits(x), dim=3).diagonal(dim1=2, dim2=3).mean(2)
        return found

    def loss(self, x: Tensor) -> Tensor:
        return self.each(x).mean(1)

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        return {"parts": self.each(x)}


@dataclass(kw_only=True, eq=False, repr=False)
class Contrastive(TorchDetector[ContrastiveSettings]):
    """Normal examples told apart: how far the nearest of them lies, or how badly the parts of a row fit each other.

    Parameters
    ----------
    width : int, optional
        Channels of the first convolution, or units of the hidden layers.
    n_features, n_projection : int, optional
        Length of the trunk's features, and of those that are contrasted.
    temperature : float, optional
        Of the contrast: the lower, the more the nearest of the others count.
    turn, scale, shear, shift : float, optional
        How far views of images are moved: degrees, logarithm of the size, columns a row, share of the side. By default
        things on a background are moved further than pictures that fill their frame.
    thickness : float, optional
        How far strokes are made thicker or thinner, in [0, 1]. By default only those of things on a background.
    memory_size : int, optional
        How many features are remembered for each turn, a multiple of 16: all of the training images', or the centres
        that these crowd around. Fewer are cheaper to score and, down to some hundreds, better: a single training image
        that was hard to place no longer excuses what lies near it.
    parts : int, optional
        Parts of a row's columns.

    References
    ----------
    Tack, Mo, Jeong, Shin, "CSI: Novelty Detection via Contrastive Learning on Distributionally Shifted Instances",
    arXiv:2007.08176, NeurIPS 2020.
    Shenkar, Wolf, "Anomaly Detection for Tabular Data with Internal Contrastive Learning", ICLR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import Contrastive
    >>> z = np.random.default_rng(0).normal(size=(500, 2))
    >>> X = z @ np.array([[1.0, 2.0, 0.5, 0.0, -1.0], [0.3, -1.0, 2.0, 1.0, 0.0]])
    >>> detector = Contrastive(steps=200, alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[1.3, 1.0, 2.5, 1.0, -1.0], [-2.0, 2.0, -2.0, 2.0, 2.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "contrastive"
    settings_type: ClassVar = ContrastiveSettings
    model_type: ClassVar = CSIModel  # for images; `_build` takes `ICLModel` for rows
    recipes: ClassVar = {"default": default}
    tunable: ClassVar = {"temperature": (0.1, 0.2, 0.5)}
    tunable_on_rows: ClassVar = {"preprocessing__scaling": ("standard", "minmax"), "parts": (8, 32, 64)}
    tunable_on_images: ClassVar = {"memory_size": (128, 512, 2048), "shift": (0.05, 0.2)}

    width: int | None = None
    n_features: int | None = None
    n_projection: int | None = None
    temperature: float | None = None
    turn: float | None = None
    scale: float | None = None
    shear: float | None = None
    shift: float | None = None
    thickness: float | None = None
    memory_size: int | None = None
    parts: int | None = None

    def _build(self, shape: tuple[int, ...], generators: MemberGenerators) -> Model[ContrastiveSettings]:
        return (ICLModel if len(shape) == 1 else CSIModel)(shape, self.settings_, generators)

    def _finalize(self, model: Model[ContrastiveSettings], x: Encoded) -> None:
        super()._finalize(model, subsample(x, self.seed_) if x.ndim == 4 else x)
