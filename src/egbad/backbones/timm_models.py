"""Networks of the package timm, with weights from the Hugging Face Hub or a local file. Needs the extra timm.

A spec is `timm:NAME` or `timm:NAME@FILE.safetensors`. Layers have timm's names: "layer2" of a ResNet, "blocks.11" of a vision
transformer, whose tokens become a map with one place for each patch. Transformers with learned positions take images of any
size where timm can interpolate the positions; the image is padded to whole patches on the right and below.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import Tensor, nn

from egbad.arrays import State
from egbad.backbones.base import Backbone, Layer
from egbad.errors import (
    EgbadError,
    InvalidEntryError,
    InvalidInputError,
    UnreadableFileError,
    require_extra,
    shorten,
    unknown,
)

PREFIX, FILE_SEPARATOR = "timm:", "@"
_PATCH_STRIDES = (8, 16)  # of the layers that describe patches
_WEIGHTS_FILE = "model.safetensors"  # in a repository of the Hub
_MAX_REASON = 200  # characters
_ANY_SIZE = {"dynamic_img_size": True, "dynamic_img_pad": True}  # arguments of transformers


class TimmSpec(NamedTuple):
    """Parts of `timm:NAME@FILE`.

    Attributes
    ----------
    text : str
        The whole spec.
    model : str
        Name of the model in timm, with the tag of its weights after a dot.
    path : str
        Local file of weights, "" for the Hub.
    """

    text: str
    model: str
    path: str

    @classmethod
    def parse(cls, text: str) -> "TimmSpec":
        """Split a spec that begins with "timm:".

        Parameters
        ----------
        text : str

        Returns
        -------
        TimmSpec

        Examples
        --------
        >>> TimmSpec.parse("timm:resnet18@weights.safetensors")[1:]
        ('resnet18', 'weights.safetensors')
        """
        model, _, path = text.removeprefix(PREFIX).partition(FILE_SEPARATOR)
        return cls(text, model, path)


class TimmBackbone(Backbone):
    """A network of timm without its classifier.

    Parameters
    ----------
    name : str
        The spec.
    network : Module
        From `timm.create_model`.
    revision : str
        Commit of the weights on the Hub, "" for others.
    """

    def __init__(self, name: str, network: Any, revision: str = "") -> None:
        layers = [Layer(info["module"], info["num_chs"], info["reduction"]) for info in network.feature_info]
        config = network.pretrained_cfg
        super().__init__(
            name,
            layers,
            _patch_layers(layers),
            layers[-1].name,
            tuple(config["mean"]),
            tuple(config["std"]),
            config["input_size"][-1],
            revision,
        )
        self.network = network
        self.freeze()

    def extract(self, x: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Return the feature maps of normalised images.

        Parameters
        ----------
        x : Tensor of shape (B, 3, h, w)
        layers : sequence of str

        Returns
        -------
        dict of str to Tensor of shape (B, C, h', w')

        Raises
        ------
        InvalidInputError
            If the network does not take images of this size.
        """
        ordered = sorted(layers, key=self.layers.index)
        try:
            found = self.network.forward_intermediates(
                x,
                indices=[self.layers.index(name) for name in ordered],
                norm=True,
                stop_early=True,
                output_fmt="NCHW",
                intermediates_only=True,
            )
        except (RuntimeError, AssertionError, ValueError) as error:
            raise InvalidInputError(
                f"{self.name} cannot compute the layers {', '.join(layers)} of images of {x.shape[2]} x {x.shape[3]} pixels: "
                f"{_reason(error)}. Use {self.input_size} x {self.input_size} pixels."
            ) from error
        return dict(zip(ordered, found, strict=True))

    def cut(self, deepest: str) -> None:
        """Remove all layers after one.

        Parameters
        ----------
        deepest : str
        """
        super().cut(deepest)
        self.network.prune_intermediate_layers([len(self.layers) - 1], prune_norm=False, prune_head=True)


def _patch_layers(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Return the deepest layers of strides 8 and 16, or the last one where the stride never changes."""
    deepest = {layer.stride: layer.name for layer in layers}
    found = tuple(deepest[stride] for stride in _PATCH_STRIDES if stride in deepest)
    return found if len(deepest) > 1 and found else (layers[-1].name,)


def build_timm(spec: TimmSpec, revision: str = "") -> TimmBackbone:
    """Build a network of timm without pretrained weights.

    Parameters
    ----------
    spec : TimmSpec
    revision : str
        Revision of weights that will be loaded.

    Returns
    -------
    TimmBackbone
        With random weights. torch's random numbers are the same afterwards.

    Raises
    ------
    MissingExtraError
        If timm is not installed.
    InvalidInputError
        If timm has no such model, or it has no intermediate feature maps.
    """
    return _backbone(spec, _create(spec, pretrained=False), revision)


def load_timm(spec: TimmSpec) -> TimmBackbone:
    """Load a network of timm with pretrained weights.

    Parameters
    ----------
    spec : TimmSpec
        Weights come from its file, or from the Hugging Face Hub and from there into the cache of the user.

    Returns
    -------
    TimmBackbone

    Raises
    ------
    MissingExtraError
        If timm is not installed.
    InvalidInputError
        If timm has no such model, or no weights for it.
    UnreadableFileError
        If the local file is missing or damaged, or belongs to another model.
    EgbadError
        If the Hub cannot be reached.
    """
    if spec.path:
        backbone = build_timm(spec)
        backbone.load_arrays(_read_weights(spec, backbone))
        return backbone
    network = _create(spec, pretrained=True)
    return _backbone(spec, network, _commit(network.pretrained_cfg))


def _backbone(spec: TimmSpec, network: Any, revision: str) -> TimmBackbone:
    """Return a network as a backbone, after a check that it has intermediate maps."""
    if not hasattr(network, "forward_intermediates") or not hasattr(network, "prune_intermediate_layers"):
        raise InvalidInputError(
            f"{spec.text} must have intermediate feature maps (forward_intermediates in timm), got a model without. "
            "Use another, such as timm:resnet18.tv_in1k."
        )
    return TimmBackbone(spec.text, network, revision)


def _import_timm() -> Any:
    """Import timm, which needs a torchvision that was built for the torch at hand."""
    require_extra("A backbone of timm", "timm", "timm", "torchvision")
    try:
        return import_module("timm")
    except (ImportError, RuntimeError, OSError) as error:
        raise EgbadError(
            f"timm cannot be imported: {_reason(error)}. Install a build of torchvision that belongs to torch "
            f"{torch.__version__}, from the same index."
        ) from error


def _create(spec: TimmSpec, *, pretrained: bool) -> Any:
    """Return a model of timm without its classifier."""
    timm = _import_timm()
    if not timm.is_model(spec.model):
        raise unknown("model in timm", spec.model.partition(".")[0], timm.list_models())

    def create(**options: Any) -> nn.Module:
        model: nn.Module = timm.create_model(spec.model, pretrained=pretrained, num_classes=0, **options)
        return model

    with torch.random.fork_rng(devices=[]), _hub_errors(spec):
        return _with_any_size(create)


def _with_any_size(create: Callable[..., nn.Module]) -> nn.Module:
    """Create a model that takes images of any size, where it has such an option."""
    try:
        return create(**_ANY_SIZE)
    except TypeError:  # an unexpected argument
        return create()


@contextmanager
def _hub_errors(spec: TimmSpec) -> Iterator[None]:
    """Replace errors of timm and the Hub by errors of this package."""
    try:
        yield
    except OSError as error:  # every error of the Hub and of the network
        raise EgbadError(
            f"The weights of {spec.text} cannot be downloaded from the Hugging Face Hub: {_reason(error)}. "
            f"Connect to the network, or pass a local file as {PREFIX}{spec.model}{FILE_SEPARATOR}FILE.safetensors."
        ) from error
    except (RuntimeError, ValueError, KeyError) as error:
        raise InvalidInputError(f"timm cannot create {spec.text}: {_reason(error)}.") from error


def _commit(config: dict[str, Any]) -> str:
    """Return the commit of weights in the cache of the Hub, "" if they are from elsewhere."""
    repository = config.get("hf_hub_id")
    found = import_module("huggingface_hub").try_to_load_from_cache(repository, _WEIGHTS_FILE) if repository else None
    return Path(found).parent.name if isinstance(found, str) else ""


def _read_weights(spec: TimmSpec, backbone: TimmBackbone) -> State:
    """Return the arrays of a local file by the names of the backbone, without those of the classifier."""
    path = Path(spec.path)
    if not path.is_file():
        raise UnreadableFileError(f"{path} must be a file of weights of {spec.model}, but there is no such file.")
    try:
        found = load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UnreadableFileError(f"{path} must be a .safetensors file: {_reason(error)}.") from error
    classifier = backbone.network.pretrained_cfg.get("classifier") or ()
    heads = tuple(f"{name}." for name in ((classifier,) if isinstance(classifier, str) else classifier))
    arrays = {f"network.{name}": value for name, value in found.items() if not name.startswith(heads)}
    for name, spec_of_array in backbone.specs().items():
        if name in arrays and arrays[name].dtype.kind == "f":
            arrays[name] = arrays[name].astype(spec_of_array.dtype)  # files may hold half precision
    try:
        backbone.load_arrays(arrays)
    except InvalidEntryError as error:
        problem = InvalidEntryError(error.entry.removeprefix("network."), error.problem)
        raise UnreadableFileError(f"{path} must hold the weights of {spec.model}: {problem}") from error
    return arrays


def _reason(error: Exception) -> str:
    """Describe an error of another package in one line."""
    return shorten(" ".join(str(error).split()).rstrip(".") or type(error).__name__, _MAX_REASON)
