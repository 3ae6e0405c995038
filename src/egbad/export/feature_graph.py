"""Features of images by a frozen backbone, and scores that follow from them, as torch modules for the exported graph.

A graph takes one image at a time: memory is that of one image, and its score cannot depend on others. The patches of an image
are compared with training rows a few at a time.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from egbad.backbones.extractor import FeatureExtractor
from egbad.backbones.image_input import (
    FAR_ABOVE,
    FAR_BELOW,
    LUMINANCE,
    MAX_GAIN,
    MIN_GAIN,
    MIN_LUMINANCE,
    ImageInput,
    Size,
)
from egbad.backbones.patches import finest_grid, join_maps, patches_inside, scale_lengths
from egbad.detectors.base.feature_encoder import FeatureEncoder
from egbad.detectors.patchcore import WEIGHTED_NEIGHBOURS, PatchCore
from egbad.errors import InvalidInputError
from egbad.export.encoder_graph import RowEncoderGraph
from egbad.export.row_terms import Terms, TermsGraph

_MAX_COMPARED = 2**23  # numbers of the comparison of some patches with all training rows: bounds memory
_MIN_CHUNK = 16  # patches; smaller chunks would make graphs of a hundred thousand operators


class PreparedImages(nn.Module):
    """`ImageInput.prepare` as a torch module: images of any size -> RGB of one size.

    Parameters
    ----------
    image_input : ImageInput
    size : tuple of int
        Height and width of the result.
    """

    shares: Tensor

    def __init__(self, image_input: ImageInput, size: Size) -> None:
        super().__init__()
        self.size, self.low, self.high = size, image_input.low, image_input.high
        self.usual = None if image_input.luminance is None else max(image_input.luminance, MIN_LUMINANCE)
        self.register_buffer("shares", torch.tensor(LUMINANCE, dtype=torch.float64))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, h, w) or (n, c, h, w) to (n, 3, *size)."""
        x = images if images.ndim == 4 else images.unsqueeze(1)
        if self.low != 0:  # measurements, which may need double precision
            x = x.double() - self.low
        x = (x / (self.high - self.low)).clamp(FAR_BELOW, FAR_ABOVE).float()
        x = F.interpolate(x, size=self.size, mode="bilinear", align_corners=False, antialias=True)
        if self.usual is not None:
            means = x.double().mean(dim=(2, 3))
            luminance = means if x.shape[1] == 1 else (means * self.shares).sum(1, keepdim=True)
            gain = (self.usual / luminance.clamp(min=MIN_LUMINANCE)).clamp(MIN_GAIN, MAX_GAIN)
            x = x * gain.float()[:, :, None, None]
        return x.expand(-1, 3, -1, -1)


class PatchFeatures(nn.Module):
    """Descriptions of the patches of images, as `FeatureExtractor.patches` returns them.

    Parameters
    ----------
    extractor : FeatureExtractor
        Fitted.

    Attributes
    ----------
    grid : tuple of int
        Height and width in patches.
    """

    mean: Tensor | None
    matrix: Tensor | None

    def __init__(self, extractor: FeatureExtractor) -> None:
        super().__init__()
        self.prepare = PreparedImages(extractor.input, extractor.input.size)
        self.backbone, self.layers = extractor.backbone, extractor.layers
        self.pooling, self.length = extractor.settings.pooling, extractor.settings.length
        state = extractor.state()
        for name in ("mean", "matrix"):
            self.register_buffer(name, torch.tensor(state[name]) if name in state else None)
        with torch.no_grad():
            self.grid = finest_grid([*self.backbone(torch.zeros(1, 3, *self.prepare.size), self.layers).values()])

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, ...) to descriptions (n, height * width, d)."""
        x = join_maps([*self.backbone(self.prepare(images), self.layers).values()], self.pooling)
        if self.mean is not None and self.matrix is not None:
            x = (x - self.mean) @ self.matrix
        return scale_lengths(x, self.length)


class ImageVectors(nn.Module):
    """Vectors of images, as `FeatureExtractor.vectors` returns them.

    Parameters
    ----------
    extractor : FeatureExtractor
        Fitted.
    """

    def __init__(self, extractor: FeatureExtractor) -> None:
        super().__init__()
        self.prepare = PreparedImages(extractor.input, extractor.input.global_size)
        self.backbone = extractor.backbone

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, ...) to vectors (n, d)."""
        name = self.backbone.global_layer
        vectors: Tensor = self.backbone(self.prepare(images), (name,))[name].mean(dim=(2, 3))
        return vectors


class HighestPatches(nn.Module):
    """Means over the patches with the highest scores, as `highest_patches` chooses them.

    Parameters
    ----------
    grid : tuple of int
        Height and width in patches.
    *rule : float
        Share and border. By default those of all detectors of patches.
    """

    places: Tensor

    def __init__(self, grid: Size, *rule: float) -> None:
        super().__init__()
        places, self.k = patches_inside(*grid, *rule)
        self.register_buffer("places", torch.from_numpy(places))

    def forward(self, terms: Terms) -> Terms:
        """Return the terms (n,) of images, given those (n, n_patches) of their patches."""
        inner = {name: values[:, self.places] for name, values in terms.items()}
        score: Tensor = torch.stack([*inner.values()]).sum(0)
        highest = torch.topk(score, self.k, dim=1).indices
        return {name: torch.gather(values, 1, highest).mean(1) for name, values in inner.items()}


def map_patches(function: Callable[[Tensor], Terms], x: Tensor, n_compared: int) -> Terms:
    """Apply a function to some patches at a time.

    Parameters
    ----------
    function : callable
        Maps patches (m, d) to terms (m,).
    x : Tensor of shape (n, n_patches, d)
    n_compared : int
        Numbers that the function computes from each patch.

    Returns
    -------
    dict of str to Tensor of shape (n, n_patches)
    """
    size = max(1, min(x.shape[1], _MAX_COMPARED // n_compared))
    if size < min(_MIN_CHUNK, x.shape[1]):
        raise InvalidInputError(
            f"A model of patches can be exported if at most {_MAX_COMPARED // _MIN_CHUNK:,} numbers compare a patch with the "
            f"training patches, got {n_compared:,}. Lower feature_config.max_patches."
        )
    parts = []
    for part in torch.split(x, size, dim=1):
        terms = function(part.reshape(-1, x.shape[2]))
        parts.append({name: values.reshape(-1, part.shape[1]) for name, values in terms.items()})
    return {name: torch.cat([part[name] for part in parts], dim=1) for name in parts[0]}


class FeatureTerms(TermsGraph):
    """Terms of images by the terms of their features. Takes raw images.

    Parameters
    ----------
    encoder : FeatureEncoder
        Fitted.
    terms : TermsGraph
        Terms of encoded features.
    """

    def __init__(self, encoder: FeatureEncoder, terms: TermsGraph) -> None:
        super().__init__()
        self.scale, self.terms = RowEncoderGraph(encoder), terms
        self.features = (
            ImageVectors(encoder.extractor) if encoder.features == "global" else PatchFeatures(encoder.extractor)
        )
        self.highest = HighestPatches(self.features.grid) if isinstance(self.features, PatchFeatures) else None

    def forward(self, x: Tensor) -> Terms:
        """Return the terms, each (n,), of images (n, ...)."""
        features = self.features(x)
        if self.highest is None:
            return self._terms(features)
        found: Terms = self.highest(map_patches(self._terms, features, self.terms.n_compared))
        return found

    def _terms(self, rows: Tensor) -> Terms:
        terms: Terms = self.terms(self.scale(rows.double()))
        return terms


class PatchCoreTerms(TermsGraph):
    """Score of `PatchCore`. Takes raw images.

    Parameters
    ----------
    detector : PatchCore
    """

    memory: Tensor
    half_squares: Tensor

    def __init__(self, detector: PatchCore) -> None:
        super().__init__()
        self.features = PatchFeatures(detector.extractor_)
        self.highest = HighestPatches(self.features.grid, detector.settings_.top_share, detector.settings_.border)
        self.reweighting = detector.settings_.reweighting
        memory = detector.memory_.memory
        self.k = min(WEIGHTED_NEIGHBOURS, len(memory))
        self.register_buffer("memory", memory)
        self.register_buffer("half_squares", memory.double().square().sum(1).float() / 2)

    def forward(self, x: Tensor) -> Terms:
        """Return the score (n,) of images (n, ...)."""
        patches = self.features(x)
        found = map_patches(self._nearest, patches, len(self.memory))
        score = self.highest({"patches": found["distance"].double()})["patches"]
        return {"patches": score * self._weight(patches, found) if self.reweighting else score}

    def _nearest(self, patches: Tensor) -> Terms:
        """Return distance and position of the nearest member of the memory for patches (m, d)."""
        position = (patches @ self.memory.T - self.half_squares).argmax(1)
        return {"distance": torch.linalg.vector_norm(patches - self.memory[position], dim=1), "position": position}

    def _weight(self, patches: Tensor, found: Terms) -> Tensor:
        """Return the paper's weight (n,) of the patch with the largest distance, see `neighbour_weight`."""
        distance, highest = found["distance"].max(dim=1, keepdim=True)
        patch = torch.gather(patches, 1, highest[:, :, None].expand(-1, -1, patches.shape[2]))  # (n, 1, d)
        member = self.memory[torch.gather(found["position"], 1, highest)]
        away = torch.linalg.vector_norm(self.memory - member, dim=2)  # (n, n_members)
        neighbours = self.memory[torch.topk(away, self.k, dim=1, largest=False).indices]  # (n, k, d)
        distances = torch.linalg.vector_norm(neighbours - patch, dim=2).double()
        return 1 - 1 / torch.exp(distances - distance.double()).sum(1)
