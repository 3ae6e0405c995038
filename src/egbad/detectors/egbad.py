"""EGBAD: anomaly detection with a bidirectional GAN (Zenati et al., 2018, arXiv:1802.06222).

An encoder E is trained beside the generator G and the discriminator D of a BiGAN (Donahue et al., 2016), so that one
forward pass replaces AnoGAN's search for the latent of a test sample: A(x) = w L_G(x) + (1 - w) L_D(x).

Departures of the default recipe, each a parameter, all of them off with `recipe="paper"`:

- cycle consistency |x - G(E(x))| beside the adversarial game, which by itself never asks for a reconstruction;
- noise on D's view of x, so that D can't win on details;
- larger and falling learning rate, larger batches, no dropout, lighter networks for images;
- residuals and features are measured against their normal size, column by column (`distance="relative"`), so that
  columns which are always reconstructed badly do not drown the others.
"""

from collections.abc import Iterator
from math import ceil
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn
from torch.nn.functional import softplus

from egbad.base import Model, TorchDetector
from egbad.encoding import Encoder, ImageEncoder, RowEncoder, distinct_rows, log_mask
from egbad.errors import InvalidInputError, unknown
from egbad.networks import (
    BatchNorm,
    Conv,
    Draws,
    Dropout,
    Linear,
    PadSame,
    PairDiscriminator,
    Reshape,
    conv_encoder,
    conv_generator,
    conv_trunk,
    mlp,
    normal_002,
    without_tracking,
)
from egbad.training import Schedule, Turn

_FAR = 8.0  # standard deviations: how far out the networks see a column; the residual goes on growing
_FLOOR = 1e-3  # a column that is always rebuilt exactly counts as if it were this far off, in encoded units


# -- the paper's formulas ----------------------------------------------------------------------------------------------


def norm_distance(a: Tensor, b: Tensor, degree: float = 1.0) -> Tensor:
    """|a - b| of the given degree over all units, a and b (K, B, ...) -> (K, B): the paper's L_G, and its L_D on features."""
    norm: Tensor = torch.linalg.vector_norm((a - b).flatten(2), ord=degree, dim=2)
    return norm


def relative_distance(a: Tensor, b: Tensor, usual: Tensor) -> Tensor:
    """Mean over units of log(1 + |a - b| / usual), a and b (K, B, ...), usual (K, 1, ...) -> (K, B).

    Counts how many units are off and by how many times their usual distance: the log-likelihood of a heavy-tailed
    residual with a scale per unit, up to constants.
    """
    return torch.log1p((a - b).abs() / usual).flatten(2).mean(2)


def cross_entropy_real(logits: Tensor) -> Tensor:
    """sigma(l, 1) = -log sigmoid(l): how little D takes a pair for a real one, logits (K, B) -> (K, B)."""
    return softplus(-logits)


# -- the networks ------------------------------------------------------------------------------------------------------


Networks = tuple[nn.Module, nn.Module, PairDiscriminator]  # E: x -> z, G: z -> x, D: (x, z) -> logit


def leaky() -> nn.Module:
    """The slope of all of EGBAD's leaky rectifiers."""
    return nn.LeakyReLU(0.1)


def row_networks(draws: Draws, d: int, k: int, width: int, dropout: float) -> Networks:
    """Networks for rows; with d = 121, k = 32, width = 64 and dropout 0.2 they are the paper's for KDD99."""

    def side(a: int, b: int) -> nn.Sequential:
        return nn.Sequential(Linear(draws, a, b), leaky(), Dropout(draws, dropout))

    wide = 2 * width
    D = PairDiscriminator(side(d, wide), side(k, wide), side(2 * wide, wide), Linear(draws, wide, 1))
    return mlp(draws, (d, width, k), leaky), mlp(draws, (k, width, wide, d), nn.ReLU), D


def image_networks(draws: Draws, shape: tuple[int, int, int], k: int, width: int, dropout: float) -> Networks:
    """Strided convolutions sized from `shape` (c, h, w), without batch normalisation."""
    trunk, flat = conv_trunk(draws, shape, width)
    joint = 4 * width
    D = PairDiscriminator(
        nn.Sequential(trunk, Dropout(draws, dropout)),
        nn.Sequential(Linear(draws, k, joint), leaky(), Dropout(draws, dropout)),
        nn.Sequential(Linear(draws, flat + joint, joint), leaky(), Dropout(draws, dropout)),
        Linear(draws, joint, 1),
    )
    return conv_encoder(draws, shape, width, k), conv_generator(draws, shape, width, k), D


def paper_mnist_networks(draws: Draws, k: int, dropout: float) -> Networks:
    """The released networks for 28 x 28 grey images (`bigan/mnist_utilities.py`), k = 200 and dropout 0.5 there."""

    def linear(a: int, b: int) -> Linear:
        return Linear(draws, a, b, normal_002)

    def conv(a: int, b: int, kernel: int, stride: int, padding: int, up: bool = False) -> Conv:
        return Conv(draws, a, b, kernel, stride, padding, up=up, init=normal_002)

    E = nn.Sequential(
        *(conv(1, 32, 3, 1, 1), leaky()),
        *(PadSame(), conv(32, 64, 3, 2, 0), BatchNorm(draws, 64), leaky()),
        *(PadSame(), conv(64, 128, 3, 2, 0), BatchNorm(draws, 128), leaky()),
        *(Reshape(6272), linear(6272, k)),
    )
    G = nn.Sequential(
        *(linear(k, 1024), BatchNorm(draws, 1024), nn.ReLU()),
        *(linear(1024, 6272), BatchNorm(draws, 6272), nn.ReLU(), Reshape(128, 7, 7)),
        *(conv(128, 64, 4, 2, 1, up=True), BatchNorm(draws, 64), nn.ReLU()),
        *(conv(64, 1, 4, 2, 1, up=True), nn.Tanh()),
    )
    x_side = nn.Sequential(
        *(conv(1, 64, 4, 2, 1), leaky(), Dropout(draws, dropout)),
        *(conv(64, 64, 4, 2, 1), BatchNorm(draws, 64), leaky(), Dropout(draws, dropout), Reshape(3136)),
    )
    z_side = nn.Sequential(linear(k, 512), leaky(), Dropout(draws, dropout))
    joint = nn.Sequential(linear(3648, 1024), leaky(), Dropout(draws, dropout))
    return E, G, PairDiscriminator(x_side, z_side, joint, linear(1024, 1))


# -- settings ----------------------------------------------------------------------------------------------------------


class Settings(BaseModel):
    """A recipe with every value decided. `EGBAD`'s docstring says what each means."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    networks: Literal["auto", "kdd99", "mnist"] = "auto"
    n_latent: int = Field(ge=1)
    width: int = Field(ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    prior: Literal["normal", "uniform"] = "normal"
    adversarial_weight: float = Field(default=1.0, ge=0)
    cycle_weight: float = Field(ge=0)
    input_noise: float = Field(ge=0)
    learning_rate: float = Field(gt=0)
    learning_rate_decay: bool = True
    discriminator_pace: float = Field(default=1.0, gt=0)
    batch_size: int = Field(ge=1)
    steps: int | None = Field(default=None, ge=0)
    epochs: float | None = Field(default=None, gt=0)
    average: float = Field(default=0.999, ge=0, lt=1)
    average_warmup: bool = True
    distance: Literal["relative", "norm"] = "relative"
    degree: float = Field(default=1.0, gt=0)
    discrimination: Literal["fm", "sigma"] = "fm"
    sigma_pair: Literal["paper", "released"] = "paper"
    residual_weight: float = Field(default=0.9, ge=0, le=1)
    scaling: Literal["standard", "minmax", "none"] = "standard"
    distinct: bool = True


def recipe(name: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """What a recipe says for encoded rows (d,) or images (c, h, w).

    "default" is the stable one; "paper" is the paper's and its released code's, whose learning rate, batches, latent
    sizes, dropout and averaging were read from that code.
    """
    rows = len(shape) == 1
    if name == "paper":
        common = {
            "cycle_weight": 0.0,
            "input_noise": 0.0,
            "learning_rate": 1e-5,
            "learning_rate_decay": False,
            "average_warmup": False,
            "distance": "norm",
            "distinct": False,
        }
        if rows:
            return common | {"networks": "kdd99", "n_latent": 32, "width": 64, "dropout": 0.2, "batch_size": 50, "epochs": 50,
                             "average": 0.9999, "scaling": "minmax"}  # fmt: skip
        networks = "mnist" if shape == (1, 28, 28) else "auto"
        return common | {
            "networks": networks,
            "n_latent": 200,
            "width": 64,
            "dropout": 0.5,
            "batch_size": 100,
            "epochs": 100,
        }
    if rows:
        d = shape[0]
        width = min(256, max(64, 2 ** ceil(np.log2(d / 2)))) if d > 2 else 64
        return {"n_latent": max(1, min(32, d // 2)), "width": width, "cycle_weight": 10.0, "input_noise": 1.0,
                "learning_rate": 3e-4, "batch_size": 128, "steps": 3000,
                "discriminator_pace": 0.1}  # fmt: skip
    return {"n_latent": 32, "width": 32, "cycle_weight": 10.0, "input_noise": 0.5, "learning_rate": 1e-3, "batch_size": 32,
            "steps": 800, "discriminator_pace": 0.1, "distance": "norm", "degree": 2.0}  # fmt: skip


RECIPES = ("default", "paper")


def networks_for(shape: tuple[int, ...], settings: Settings, draws: Draws) -> Networks:
    """E, G and D for encoded rows (d,) or images (c, h, w), by preset or sized from the shape."""
    k, width, dropout = settings.n_latent, settings.width, settings.dropout
    if settings.networks == "mnist":
        if shape != (1, 28, 28):
            raise InvalidInputError(
                f"networks='mnist' needs images of shape (1, 28, 28), got {shape}. Use networks='auto'."
            )
        return paper_mnist_networks(draws, k, dropout)
    if len(shape) == 3:
        if settings.networks == "kdd99":
            raise InvalidInputError(f"networks='kdd99' needs rows, got images of shape {shape}. Use networks='auto'.")
        return image_networks(draws, shape, k, width, dropout)
    return row_networks(draws, shape[0], k, width, dropout)


# -- the model ---------------------------------------------------------------------------------------------------------


class BiGAN(Model):
    """E, G, D, their game and the score A(x). Knows no data set, no optimizer, no epoch."""

    usual_x: Tensor
    usual_f: Tensor

    def __init__(self, shape: tuple[int, ...], settings: Settings, draws: Draws) -> None:
        super().__init__()
        self.settings, self.draws = settings, draws
        self.standardised = len(shape) == 1 and settings.scaling == "standard"
        self.E, self.G, self.D = networks_for(shape, settings, draws)
        # How far off a normal x and its features usually are, for the relative distance: `settle` learns it.
        self.register_buffer("usual_x", torch.ones(len(draws), 1, *shape))
        self.register_buffer("usual_f", torch.ones(len(draws), 1, self.D.n_features))

    def seen(self, x: Tensor) -> Tensor:
        """What the networks see of x: standardised columns only so far out, or one of them would decide alone."""
        return x.clamp(-_FAR, _FAR) if self.standardised else x

    def turns(self) -> tuple[Turn, ...]:
        eg = Turn("EG", [*self.E.parameters(), *self.G.parameters()], self.loss_eg)
        if self.settings.adversarial_weight == 0:
            return (eg,)  # a plain autoencoder: nobody for D to play against
        return Turn("D", [*self.D.parameters()], self.loss_d, self.settings.discriminator_pace), eg

    def latent(self, n: int) -> Tensor:
        """z ~ p(z), (K, n, k)."""
        k = self.settings.n_latent
        return self.draws.normal(n, k) if self.settings.prior == "normal" else 2 * self.draws.uniform(n, k) - 1

    def noisy(self, x: Tensor) -> Tensor:
        """What D sees of x (K, B, ...)."""
        scale = self.settings.input_noise
        return x + scale * self.draws.normal(*x.shape[1:]) if scale else x

    def loss_d(self, x: Tensor) -> Tensor:
        x = self.seen(x)
        z = self.latent(x.shape[1])
        with torch.no_grad(), without_tracking(self.E, self.G):
            z_hat, x_gen = self.E(x), self.G(z)
        real, fake = self.D(self.noisy(x), z_hat), self.D(self.noisy(x_gen), z)
        return (softplus(-real) + softplus(fake)).mean(1)  # softplus(-t) = -log sigmoid(t)

    def loss_eg(self, x: Tensor) -> Tensor:
        x = self.seen(x)
        z_hat = self.E(x)
        loss = torch.zeros(len(x), device=x.device)
        if self.settings.cycle_weight:
            cycle = norm_distance(x, self.G(z_hat), self.settings.degree).mean(1)
            loss = loss + self.settings.cycle_weight * cycle
        if self.settings.adversarial_weight:
            z = self.latent(x.shape[1])
            with without_tracking(self.D):
                real, fake = self.D(self.noisy(x), z_hat), self.D(self.noisy(self.G(z)), z)
            # The labels are swapped, not the sign of the loss: gradients live on when D is sure.
            loss = loss + self.settings.adversarial_weight * (softplus(real) + softplus(-fake)).mean(1)
        return loss

    def settle(self, chunks: Iterator[Tensor]) -> None:
        """Learn the usual distances: means over the training rows, as the averaged weights see them."""
        sums, n = [torch.zeros_like(self.usual_x), torch.zeros_like(self.usual_f)], 0
        for x in chunks:
            x_hat, f, f_hat = self.forward_pass(x)
            sums[0] += (x - x_hat).abs().sum(1, keepdim=True)
            sums[1] += (f - f_hat).abs().sum(1, keepdim=True)
            n += x.shape[1]
        self.usual_x.copy_(sums[0] / n + _FLOOR)
        self.usual_f.copy_(sums[1] / n + _FLOOR)

    def forward_pass(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (K, B, ...) -> x_hat = G(E(x)), and D's features of (x, E(x)) and (x_hat, E(x))."""
        x = self.seen(x)
        z = self.E(x)  # (K, B, k)
        x_hat = self.G(z)  # (K, B, ...)
        return x_hat, self.D.features(x, z), self.D.features(x_hat, z)

    def score_terms(self, x: Tensor) -> dict[str, Tensor]:
        """A(x) = w L_G(x) + (1 - w) L_D(x), section 3 of the paper; w is its alpha."""
        s, (x_hat, f, f_hat) = self.settings, self.forward_pass(x)
        if s.discrimination == "sigma":
            # The paper scores the pair (x, E(x)); the released code the pair (G(E(x)), E(x)).
            l_d = cross_entropy_real(self.D.logit(f if s.sigma_pair == "paper" else f_hat))
        else:
            l_d = self.distance(f, f_hat, self.usual_f)
        l_g = self.distance(x, x_hat, self.usual_x)
        return {"residual": s.residual_weight * l_g, "features": (1 - s.residual_weight) * l_d}

    def distance(self, a: Tensor, b: Tensor, usual: Tensor) -> Tensor:
        """L_G or L_D by the chosen distance, (K, B)."""
        if self.settings.distance == "relative":
            return relative_distance(a, b, usual)
        return norm_distance(a, b, self.settings.degree)

    def reconstruct(self, x: Tensor) -> Tensor:
        x_hat: Tensor = self.G(self.E(self.seen(x)))
        return x_hat

    def symptoms(self, x: Tensor) -> dict[str, Tensor]:
        """A generator that gives one answer, and a discriminator that has won."""
        if self.settings.adversarial_weight == 0:
            return {}
        x = self.seen(x)
        made = self.G(self.latent(x.shape[1])).flatten(2)
        spread = made.std(1).mean(1) / (x.flatten(2).std(1).mean(1) + 1e-12)
        return {
            "The generator has collapsed: it gives nearly the same answer to every z. Fit with another random_state, "
            "more input_noise or a higher cycle_weight.": spread < 0.02,
            "The discriminator has won: its loss is nearly zero, so E and G learn nothing from it. Fit with more "
            "input_noise or a lower learning_rate.": self.loss_d(x) < 0.02,
        }


# -- the detector ------------------------------------------------------------------------------------------------------


class EGBAD(TorchDetector):
    """Anomaly detection with a bidirectional GAN.

    Learns from normal rows (n, d) or images (n, h, w), (n, c, h, w) of 8 x 8 to 128 x 128 pixels and scores new ones
    in one forward pass by A(x) = w L_G(x) + (1 - w) L_D(x), higher is more anomalous.

    Parameters
    ----------
    recipe : {"default", "paper"}
        Where parameters that are None get their value from. "default" is chosen for stability, "paper" is the paper's.
    networks : {"auto", "kdd99", "mnist"}, optional
        "auto" sizes them from the shape of the input; the others are the paper's networks.
    n_latent : int, optional
        Length of z. Default 32 or half the columns, whichever is less, and 32 for images.
    width : int, optional
        Units of the first hidden layer, or channels of the first convolution.
    dropout : float, optional
        Share of D's units that are dropped while training.
    prior : {"normal", "uniform"}, optional
        p(z): N(0, I) as in the released code, or U[-1, 1].
    adversarial_weight, cycle_weight : float, optional
        Weights of the game and of |x - G(E(x))|_1 in the loss of E and G. Without the game it is a plain autoencoder.
    input_noise : float, optional
        Standard deviation of the noise on D's view of x, in encoded units.
    learning_rate : float, optional
        Adam's.
    learning_rate_decay : bool, optional
        Whether the learning rate falls linearly to a hundredth over the second half.
    discriminator_pace : float, optional
        D's learning rate, as a multiple of that of E and G.
    batch_size : int, optional
        Rows a step.
    steps : int, optional
        Moves of each player; 0 leaves the networks untrained.
    epochs : float, optional
        Passes over the training rows, instead of `steps`.
    average : float, optional
        Decay of the moving average of the weights that scores are made with; 0 keeps the last weights.
    average_warmup : bool, optional
        Whether the average soon forgets the first weights.
    distance : {"relative", "norm"}, optional
        "norm" is the paper's: a norm over pixels or columns, and over D's features. "relative" is the mean of
        log(1 + distance / usual distance among training rows), unit by unit.
    degree : float, optional
        Degree of the norm.
    discrimination : {"fm", "sigma"}, optional
        L_D by feature matching, or by the cross-entropy of D's logit.
    sigma_pair : {"paper", "released"}, optional
        Which pair "sigma" judges: (x, E(x)), or (G(E(x)), E(x)) as the released code does.
    residual_weight : float, optional
        w, the paper's alpha, in [0, 1].
    scaling : {"standard", "minmax", "none"}, optional
        How columns are scaled, see `egbad.encoding.RowEncoder`. Images are always scaled to [-1, 1].
    distinct : bool, optional
        Whether rows that repeat an earlier one are left out of training and scaling, so that what is frequent does not
        hide what is normal but rare. Calibration rows are held out before, and keep their repeats.
    log_columns : sequence of str or int, optional
        Columns that log(1 + x) is taken of before scaling. By default those that hold whole numbers only, none
        negative, and reach beyond 10,000; with recipe "paper" none.
    members : int
        Networks that are trained side by side from different seeds; the score is their mean.
    alpha : float
        False-alarm rate of `predict`, in (0, 1).
    calibration_fraction : float
        Share of the rows given to `fit` that is held out of training to set the threshold, in (0, 1).
    random_state : int, RandomState or None
        Seed of everything. None draws one, which `seed_` keeps.
    device : str
        Where the networks are trained and scored, "cpu" or "cuda".
    verbose : bool
        Whether training shows its progress on stderr.

    Attributes
    ----------
    threshold_ : float
        A score above it is an anomaly.
    history_ : dict of str to array
        "step" (r,), and the losses "D" and "EG" (r, members).
    health_ : list of str
        What went wrong in training, a sentence each.
    settings_ : Settings
        The recipe with every value decided.

    References
    ----------
    Zenati, Foo, Lecouat, Manek, Chandrasekhar, "Efficient GAN-Based Anomaly Detection", arXiv:1802.06222, 2018.
    Donahue, Kraehenbuehl, Darrell, "Adversarial Feature Learning", arXiv:1605.09782, ICLR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from egbad import EGBAD
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = EGBAD(steps=200, alpha=0.05, random_state=0).fit(X)
    >>> detector.predict(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, -9.0, 9.0, -9.0]]))
    array([ 1, -1])
    """

    name = "egbad"

    def __init__(
        self,
        *,
        recipe: str = "default",
        networks: str | None = None,
        n_latent: int | None = None,
        width: int | None = None,
        dropout: float | None = None,
        prior: str | None = None,
        adversarial_weight: float | None = None,
        cycle_weight: float | None = None,
        input_noise: float | None = None,
        learning_rate: float | None = None,
        learning_rate_decay: bool | None = None,
        discriminator_pace: float | None = None,
        batch_size: int | None = None,
        steps: int | None = None,
        epochs: float | None = None,
        average: float | None = None,
        average_warmup: bool | None = None,
        distance: str | None = None,
        degree: float | None = None,
        discrimination: str | None = None,
        sigma_pair: str | None = None,
        residual_weight: float | None = None,
        scaling: str | None = None,
        distinct: bool | None = None,
        log_columns: tuple[str | int, ...] | None = None,
        members: int = 1,
        alpha: float = 0.01,
        calibration_fraction: float = 0.1,
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        self.recipe = recipe
        self.networks = networks
        self.n_latent = n_latent
        self.width = width
        self.dropout = dropout
        self.prior = prior
        self.adversarial_weight = adversarial_weight
        self.cycle_weight = cycle_weight
        self.input_noise = input_noise
        self.learning_rate = learning_rate
        self.learning_rate_decay = learning_rate_decay
        self.discriminator_pace = discriminator_pace
        self.batch_size = batch_size
        self.steps = steps
        self.epochs = epochs
        self.average = average
        self.average_warmup = average_warmup
        self.distance = distance
        self.degree = degree
        self.discrimination = discrimination
        self.sigma_pair = sigma_pair
        self.residual_weight = residual_weight
        self.scaling = scaling
        self.distinct = distinct
        self.log_columns = log_columns
        self.members = members
        self.alpha = alpha
        self.calibration_fraction = calibration_fraction
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def _settle_on(self, shape: tuple[int, ...]) -> Settings:
        """The recipe for encoded input of `shape`, with what the user gave in its place."""
        if self.recipe not in RECIPES:
            raise unknown("recipe", self.recipe, RECIPES)
        given = {name: value for name in Settings.model_fields if (value := getattr(self, name)) is not None}
        base = recipe(self.recipe, shape)
        if "steps" in given or "epochs" in given:
            if "steps" in given and "epochs" in given:
                raise InvalidInputError(f"Give steps or epochs, not both, got {self.steps} and {self.epochs}.")
            base = {name: value for name, value in base.items() if name not in ("steps", "epochs")}
        given = {name: value.item() if isinstance(value, np.generic) else value for name, value in given.items()}
        try:
            return Settings.model_validate(base | given)
        except ValidationError as error:
            raise InvalidInputError(_sentence(error)) from error

    def _prepare(self) -> Encoder:
        shape = self._encoded_shape()
        self.settings_ = self._settle_on(shape)
        if len(shape) == 3:
            return ImageEncoder()
        if self.log_columns is None and self.recipe == "default":
            return RowEncoder(self.settings_.scaling)
        return RowEncoder(self.settings_.scaling, log_mask(list(self.log_columns or ()), self.columns_, shape[0]))

    def _training_rows(self, x: NDArray[Any]) -> NDArray[Any]:
        return x[distinct_rows(x)] if self.settings_.distinct and x.ndim == 2 else x

    def _build(self, shape: tuple[int, ...], draws: Draws) -> BiGAN:
        return BiGAN(shape, self.settings_, draws)

    def _schedule(self, n: int) -> Schedule:
        s = self.settings_
        size = min(s.batch_size, n)
        return Schedule(
            steps=s.steps if s.steps is not None else ceil((s.epochs or 0) * n / size),
            batch_size=size,
            learning_rate=s.learning_rate,
            decay_from=0.5 if s.learning_rate_decay else 1.0,
            average=s.average,
            average_warmup=s.average_warmup,
        )

    def describe(self) -> dict[str, Any]:
        return super().describe() | {"settings": self.settings_.model_dump()}


def _sentence(error: ValidationError) -> str:
    """What pydantic found, in one sentence."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    return f"{name}: {first['msg'][0].lower()}{first['msg'][1:]}, got {first['input']!r}."
