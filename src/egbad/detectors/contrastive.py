"""Contrastive: normal samples are learned by distinguishing them from each other.

Images, CSI (Tack et al., 2020, arXiv:2007.08176): two random views of an image must be closest to each other among all views
in a batch, which include rotations of the same image as negatives. A classifier also predicts the rotation. The score is the
cosine distance to the nearest feature of a training image in memory, summed over rotations.
Rows, ICL (Shenkar and Wolf, 2022, ICLR): each subvector of a row must be matched with its complement, among the complements
of the other subvectors of the row. The score is the loss of this task.

Departures: images without a background are standardised one by one. The memory has a fixed size and holds the centres of the
features. Subvectors are random columns instead of neighbouring ones: the order of columns has no meaning in most tables.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from egbad.detectors.base import Encoded, Model, TorchDetector, TorchSettings
from egbad.nn.augmentation import random_affine, random_thickness, rotations
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import BatchNorm, Conv, Linear, Reshape, leaky
from egbad.nn.memory_bank import MemoryBank, subsample
from egbad.nn.networks import mlp
from egbad.nn.ops import scalar_products
from egbad.training.players import Player

N_ROTATIONS = 4
_MIN_STD = 1e-3  # added to the standard deviation of an image, which is 0 for a uniform one
# Default strength of random views: objects on a background may have any pose, images that fill their frame may not.
_OBJECT_VIEWS = {"rotation": 25.0, "scale": 0.25, "shear": 0.35, "translation": 0.1, "thickness": 0.7}
_FRAME_VIEWS = {"rotation": 0.0, "scale": 0.3, "shear": 0.0, "translation": 0.15, "thickness": 0.0}
_BACKGROUND_SHARE = 0.9  # of the pixels at the edges that must have the background's value for it to fill in views
_OBJECT_SHARE = 0.5  # of the same, above which images count as objects on a background

# -- formulas ----------------------------------------------------------------------------------------------------------


def nt_xent(z: Tensor, temperature: float) -> Tensor:
    """Return the normalised temperature-scaled cross-entropy (Chen et al., 2020, equation 1).

    Parameters
    ----------
    z : Tensor of shape (K, 2 N, m)
        Projections; items i and i + N are two views of the same image.
    temperature : float

    Returns
    -------
    Tensor of shape (K,)
    """
    z = F.normalize(z, dim=2)
    n = z.shape[1] // 2
    similarity = scalar_products(z, z) / temperature  # (K, 2 N, 2 N)
    similarity = similarity.masked_fill(torch.eye(2 * n, dtype=torch.bool, device=z.device), -torch.inf)
    positive = torch.cat([similarity.diagonal(offset, 1, 2) for offset in (n, -n)], dim=1)  # (K, 2 N)
    loss: Tensor = torch.logsumexp(similarity, 2) - positive
    return loss.mean(1)


def standardize_images(x: Tensor) -> Tensor:
    """Shift and scale each image to mean 0 and standard deviation 1.

    Parameters
    ----------
    x : Tensor of shape (K, B, c, h, w)

    Returns
    -------
    Tensor of shape (K, B, c, h, w)
    """
    flat = x.flatten(2)
    flat = flat - flat.mean(2, keepdim=True)
    return (flat / (flat.std(2, keepdim=True) + _MIN_STD)).view(x.shape)


def _channels_last(x: Tensor) -> Tensor:
    """Store the channels of a pixel of x (K, B, c, h, w) next to each other: convolutions of few channels are faster."""
    return x.movedim(2, -1).clone(memory_format=torch.contiguous_format).movedim(-1, 2)


# -- the model of images -----------------------------------------------------------------------------------------------


class CSIModel(Model["ContrastiveSettings"]):
    """Trunk, projection head, rotation classifier and memory."""

    has_background: Tensor

    def __init__(self, shape: tuple[int, ...], settings: "ContrastiveSettings", generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        s, m = settings, settings.n_features
        self.trunk = _conv_trunk(generators, shape, s.width, m)
        self.project = nn.Sequential(
            nn.LeakyReLU(0.1), Linear(generators, m, m), nn.ReLU(), Linear(generators, m, s.n_projection)
        )
        self.classify = nn.Sequential(nn.LeakyReLU(0.1), Linear(generators, m, N_ROTATIONS))
        self.trunk_memory, self.projection_memory = (
            nn.ModuleList([MemoryBank(generators, s.memory_size, size) for _ in range(N_ROTATIONS)])
            for size in (m, s.n_projection)
        )
        self.register_buffer("has_background", torch.zeros(len(generators), dtype=torch.bool))
        self.background: Tensor | None = None  # (K, c)
        self.view_strength: dict[str, float] = {}  # set by `prepare`, which sees what the images show
        self.thickness = 0.0

    def prepare(self, x: Tensor) -> None:
        """Detect from all training images x (n, c, h, w) if they show objects on a background.

        The background is the median of the pixels at the edges. It fills what views move into the frame where nearly all
        of these pixels have its value.
        """
        edges = torch.cat([x[..., 0, :], x[..., -1, :], x[..., 0], x[..., -1]], dim=-1)  # (n, c, n_edge)
        median = edges.transpose(0, 1).flatten(1).median(1).values  # (c,)
        share = float(((edges - median[None, :, None]).abs() < 0.1).float().mean())
        self.background = median.expand(len(self.generators), -1) if share > _BACKGROUND_SHARE else None
        self.has_background.fill_(self.background is not None)
        defaults, given = _OBJECT_VIEWS if share > _OBJECT_SHARE else _FRAME_VIEWS, dict(self.settings)
        strength = {name: value if given[name] is None else given[name] for name, value in defaults.items()}
        self.thickness = strength.pop("thickness")
        self.view_strength = strength

    def players(self) -> tuple[Player, ...]:
        """Return all networks as one player."""
        return (Player("contrast", [*self.parameters()], self.loss),)

    def view(self, x: Tensor) -> Tensor:
        """Return a random view of images x (K, B, c, h, w), of the same shape."""
        s = self.view_strength
        x = random_affine(
            x,
            self.background,
            self.generators,
            rotation=s["rotation"],
            scale=s["scale"],
            shear=s["shear"],
            translation=s["translation"],
        )
        return random_thickness(x, self.generators, self.thickness) if self.thickness else x

    def loss(self, x: Tensor) -> Tensor:
        """Return the contrastive loss plus the cross-entropy of the rotation (K,) on x (K, B, c, h, w)."""
        views = torch.cat([*rotations(self.view(x)), *rotations(self.view(x))], dim=1)  # (K, 2 N, ...) with N = 4 B
        h = self.trunk(_channels_last(standardize_images(views) if self.background is None else views))  # (K, 2 N, m)
        labels = torch.arange(N_ROTATIONS, device=x.device).repeat_interleave(x.shape[1]).repeat(2 * len(x))
        rotation_loss = F.cross_entropy(self.classify(h).flatten(0, 1), labels, reduction="none").view(len(x), -1)
        return nt_xent(self.project(h), self.settings.temperature) + rotation_loss.mean(1)

    def trunk_input(self, x: Tensor) -> Tensor:
        """Return images x (K, B, c, h, w), standardised unless they have a background.

        `torch.where` computes both, so that the model can be exported; `loss` computes only the one it needs.
        """
        has_background = self.has_background.view(-1, 1, 1, 1, 1)
        return _channels_last(torch.where(has_background, x, standardize_images(x)))

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features of trunk and projection (K, 4, B, m) for every rotation of x (K, B, c, h, w)."""
        rotated = rotations(x)
        h = self.trunk(self.trunk_input(rotated.transpose(0, 1).flatten(1, 2)))  # (K, 4 B, m)
        trunk, projection = (f.view(len(x), N_ROTATIONS, x.shape[1], -1) for f in (h, self.project(h)))
        return trunk, projection

    def finalize(self, chunks: Iterator[Tensor]) -> None:
        """Store the features of training images, given in chunks (K, B, c, h, w), in memory."""
        trunk, projection = zip(*(self.features(x) for x in chunks), strict=True)
        for memories, parts in ((self.trunk_memory, trunk), (self.projection_memory, projection)):
            f = torch.cat(parts, dim=2)  # (K, 4, n, m)
            for rotation, memory in enumerate(memories):
                cast(MemoryBank, memory).learn(f[:, rotation])

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """Return the distances (K, B) to memory of projection and trunk, summed over rotations; x (K, B, c, h, w)."""
        trunk, projection = self.features(x)

        def distance(f: Tensor, memories: nn.ModuleList) -> Tensor:
            return torch.stack([memory(f[:, rotation]) for rotation, memory in enumerate(memories)]).sum(0)

        return {
            "projection": distance(projection, self.projection_memory),
            "trunk": distance(trunk, self.trunk_memory),
        }


def _conv_trunk(generators: MemberGenerators, shape: tuple[int, ...], width: int, m: int) -> nn.Sequential:
    """Return strided convolutions with batch normalisation down to 4 pixels a side, then a layer of m features."""
    c, h, w = shape
    layers: list[nn.Module] = []
    while min(h, w) > 4 or len(layers) < 6:
        kernel = 4 if h % 2 == 0 and w % 2 == 0 else 3
        channels = width * min(2 ** (len(layers) // 3), 4)
        layers += [Conv(generators, c, channels, kernel, 2, 1), BatchNorm(generators, channels, momentum=0.1), leaky()]
        c, h, w = channels, (h + 2 - kernel) // 2 + 1, (w + 2 - kernel) // 2 + 1
    return nn.Sequential(*layers, Reshape(c * h * w), Linear(generators, c * h * w, m))


# -- the model of rows -------------------------------------------------------------------------------------------------


class ICLModel(Model["ContrastiveSettings"]):
    """Networks f of subvectors and g of their complements, and the J random subvectors."""

    other_chunk_rows = (4, 32)  # a row is J rows to the networks, so chunks of the usual size are large enough
    gpu_chunks = 8
    subvectors: Tensor
    complements: Tensor

    def __init__(self, shape: tuple[int, ...], settings: "ContrastiveSettings", generators: MemberGenerators) -> None:
        super().__init__(shape, settings, generators)
        s, d = settings, shape[0]
        size = max(1, d // 4)
        orders = torch.stack([generators.permutations(d) for _ in range(s.n_subvectors)], dim=1)  # (K, J, d)
        self.register_buffer("subvectors", orders[..., :size].clone())  # (K, J, size)
        self.value_limits = dict.fromkeys(("subvectors", "complements"), (0, d - 1))
        self.register_buffer("complements", orders[..., size:].clone() if d > 1 else orders.clone())
        widths = (s.width, s.width, s.n_projection)
        self.f = mlp(generators, (size + s.n_subvectors, *widths))
        self.g = mlp(generators, (self.complements.shape[2] + s.n_subvectors, *widths))

    def players(self) -> tuple[Player, ...]:
        """Return both networks as one player."""
        return (Player("contrast", [*self.parameters()], self.loss),)

    def logits(self, x: Tensor) -> Tensor:
        """Return the similarity (K, B, J, J) of each subvector of rows x (K, B, d) with each complement."""
        x = self.preprocess(x)
        members, n, j = *x.shape[:2], self.settings.n_subvectors
        a, b = (
            F.normalize(network(self._select(x, columns)), dim=2).reshape(members * n, j, -1)
            for network, columns in ((self.f, self.subvectors), (self.g, self.complements))
        )
        return scalar_products(a, b).view(members, n, j, j) / self.settings.temperature

    def _select(self, x: Tensor, columns: Tensor) -> Tensor:
        """Return columns (K, J, m) of rows x (K, B, d) with a one-hot code of the subvector, (K, B J, m + J)."""
        members, n, j = *x.shape[:2], columns.shape[1]
        flat = columns.flatten(1)[:, None].expand(-1, n, -1)
        values = x.gather(2, flat).view(members, n, j, -1)
        one_hot = torch.eye(j, dtype=x.dtype, device=x.device).expand(members, n, j, j)
        return torch.cat([values, one_hot], dim=3).flatten(1, 2)

    def row_loss(self, x: Tensor) -> Tensor:
        """Return -log p(own complement) (K, B), averaged over the subvectors of rows x (K, B, d)."""
        loss: Tensor = -torch.log_softmax(self.logits(x), dim=3).diagonal(dim1=2, dim2=3).mean(2)
        return loss

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean loss (K,) of rows x (K, B, d)."""
        return self.row_loss(x).mean(1)

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """Return the loss (K, B) of each row x (K, B, d)."""
        return {"parts": self.row_loss(x)}


# -- settings and recipe -----------------------------------------------------------------------------------------------


class ContrastiveSettings(TorchSettings):
    """Settings of `Contrastive`."""

    width: int = Field(ge=1)
    n_features: int = Field(default=128, ge=1)
    n_projection: int = Field(default=64, ge=1)
    temperature: float = Field(default=0.2, gt=0)
    rotation: float | None = Field(default=None, ge=0)
    scale: float | None = Field(default=None, ge=0)
    shear: float | None = Field(default=None, ge=0)
    translation: float | None = Field(default=None, ge=0, le=1)
    thickness: float | None = Field(default=None, ge=0, le=1)
    memory_size: int = Field(default=512, ge=16, multiple_of=16)
    n_subvectors: int = Field(default=32, ge=2, le=1024)


def default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the default values for encoded rows (d,) or images (c, h, w)."""
    if len(shape) == 1:
        return {
            "width": 128,
            "temperature": 0.1,
            "preprocessing": {"range_guard": True},
            "training": {"learning_rate": 1e-3, "batch_size": 64, "steps": 1000},
        }
    batch_size = max(16, min(56, 56 * 28**2 // (shape[1] * shape[2])))  # keeps the time per step constant
    training = {"learning_rate": 2e-3, "beta1": 0.9, "batch_size": batch_size, "steps": 2000, "ema_decay": 0.0}
    return {"width": 16, "training": training}


# -- the detector ------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False, repr=False)
class Contrastive(TorchDetector[ContrastiveSettings]):
    """Contrastive learning of normal samples: CSI on images, ICL on rows.

    Parameters
    ----------
    width : int, optional
        Channels of the first convolution, or units of the hidden layers.
    n_features : int, optional
        Length of the trunk's features. Images only.
    n_projection : int, optional
        Length of the features that are contrasted.
    temperature : float, optional
        Temperature of the contrastive loss. The lower, the more the most similar negatives count.
    rotation, scale, shear, translation : float, optional
        Strength of random views of images: degrees, logarithm of the size, columns per row, fraction of the side.
    thickness : float, optional
        Strength of random thickening and thinning of strokes, in [0, 1]. By default 0 except for objects on a background.
    memory_size : int, optional
        Number of features in memory per rotation, a multiple of 16. Fewer cost less to score and, to some hundreds, find more.
    n_subvectors : int, optional
        Number of subvectors of a row.
    training : TrainingConfig, optional
        Optimizer, batch size, steps, weight averaging and precision.
    early_stopping : EarlyStopping, optional
        This method has no validation loss: training uses all rows and the last weights, ``criterion="none"``.
    backbone : str or Backbone, optional
        Frozen network whose features of images are learned in place of pixels, such as "efficientnet_lite0".
    features : {"global", "patches"}, default="global"
        A vector for each image, or one for each patch; the score is then that of the most anomalous patches.
    feature_config : FeatureConfig, optional
        Size of the images, layers and scaling of the features.
    recipe : str, default="default"
        Source of the values of parameters that are None. "default" is chosen for stability; there is no other.
    preprocessing : Preprocessing, optional
        Scaling, duplicates, range guard and trimming.
    members : int, default=1
        Number of networks trained side by side from different seeds. The score is their mean.
    device : str, default="auto"
        Device of training and scoring: "cpu", "cuda", or "auto" for the GPU where there is one.
    alpha : float, default=0.01
        False-alarm rate of `predict`, in (0, 1).
    calibration_fraction : float, default=0.1
        Fraction of the rows that `fit` holds out of training to set the threshold, in (0, 1).
    n_exemplars : int, default=256
        Number of training images or calibration rows of tables that the model keeps, for reports and drift. 0 keeps none.
    random_state : int, RandomState, Generator or None, default=None
        Seed of all random numbers. None draws a seed, which `seed_` holds.
    verbose : bool, default=False
        Show a progress bar on a terminal and in a notebook, or lines on stderr.

    Attributes
    ----------
    settings_ : ContrastiveSettings
        The values that recipe and parameters resolve to.
    threshold_ : float
        Scores above it are anomalies.
    seed_ : int
        The seed that `random_state` gave.
    history_ : dict of str to ndarray
        Training curves: "step" of shape (n_records,), and the loss of each player of shape (n_records, members).
    health_ : list of str
        Problems in training and what was done about them, one sentence each.

    References
    ----------
    Tack, Mo, Jeong, Shin, "CSI: Novelty Detection via Contrastive Learning on Distributionally Shifted Instances", NeurIPS 2020.
    Shenkar, Wolf, "Anomaly Detection for Tabular Data with Internal Contrastive Learning", ICLR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad.detectors import Contrastive
    >>> from egbad.training import TrainingConfig
    >>> z = np.random.default_rng(0).normal(size=(500, 2))
    >>> X = z @ np.array([[1.0, 2.0, 0.5, 0.0, -1.0], [0.3, -1.0, 2.0, 1.0, 0.0]])
    >>> detector = Contrastive(training=TrainingConfig(steps=200), alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[1.3, 1.0, 2.5, 1.0, -1.0], [-2.0, 2.0, -2.0, 2.0, 2.0]]))
    array([ 1, -1])
    """

    name: ClassVar[str] = "contrastive"
    settings_type: ClassVar = ContrastiveSettings
    model_type: ClassVar = CSIModel  # `_build` uses ICLModel for rows
    recipes: ClassVar = {"default": default}
    tunable: ClassVar = {"temperature": (0.1, 0.2, 0.5)}
    tunable_on_rows: ClassVar = {"preprocessing__scaling": ("standard", "minmax"), "n_subvectors": (8, 32, 64)}
    tunable_on_images: ClassVar = {"memory_size": (128, 512, 2048), "translation": (0.05, 0.2)}

    width: int | None = None
    n_features: int | None = None
    n_projection: int | None = None
    temperature: float | None = None
    rotation: float | None = None
    scale: float | None = None
    shear: float | None = None
    translation: float | None = None
    thickness: float | None = None
    memory_size: int | None = None
    n_subvectors: int | None = None

    def _build(self, shape: tuple[int, ...], generators: MemberGenerators) -> Model[ContrastiveSettings]:
        return (ICLModel if len(shape) == 1 else CSIModel)(shape, self.settings_, generators)

    def _finalize(self, model: Model[ContrastiveSettings], x: Encoded) -> None:
        super()._finalize(model, subsample(x, self.seed_) if x.ndim == 4 else x)
