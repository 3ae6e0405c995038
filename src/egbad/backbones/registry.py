"""Backbones by name, and back from a model file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from egbad.arrays import State, check_arrays
from egbad.backbones.base import Backbone, BackboneManifest
from egbad.backbones.efficientnet_lite import VARIANTS, EfficientNetLite, load_efficientnet_lite
from egbad.backbones.hooked_module import HookedModule
from egbad.backbones.timm_models import FILE_SEPARATOR, PREFIX, TimmSpec, build_timm, load_timm
from egbad.errors import InvalidEntryError, InvalidInputError, shorten, unknown
from egbad.model_file import entries_within, validated_entries


def backbone_names() -> tuple[str, ...]:
    """Return the names of the backbones with weights in Python packages.

    Returns
    -------
    tuple of str
    """
    return tuple(VARIANTS)


def load_backbone(spec: str | Path | nn.Module) -> Backbone:
    """Load a pretrained backbone.

    Parameters
    ----------
    spec : str or Module
        - one of `backbone_names()`: weights of a Python package, extra `backbones`;
        - "timm:NAME": a model of timm with weights of the Hugging Face Hub, extra `timm`;
        - "timm:NAME@FILE.safetensors": the same with weights of a local file;
        - a torch module, see `egbad.backbones.HookedModule`; a `Backbone` is returned as it is.

    Returns
    -------
    Backbone

    Raises
    ------
    InvalidInputError
        If there is no such backbone.
    MissingExtraError
        If its package is not installed.
    UnreadableFileError
        If its weights are damaged.
    EgbadError
        If weights cannot be downloaded.

    Examples
    --------
    >>> load_backbone("efficientnet_lite0").default_layers
    ('block_4', 'block_10')
    """
    if isinstance(spec, Backbone):
        return spec
    if isinstance(spec, nn.Module):
        return HookedModule(spec)
    name = str(spec)
    if name in VARIANTS:
        return load_efficientnet_lite(name)
    if name.startswith(PREFIX):
        return load_timm(TimmSpec.parse(name))
    raise _unknown_backbone(name)


def restore_backbone(manifest: Mapping[str, Any], arrays: State | None) -> Backbone:
    """Return the backbone that a model file holds or refers to.

    Parameters
    ----------
    manifest : mapping of str to JSON value
        Result of `Backbone.manifest`.
    arrays : dict of str to ndarray, optional
        Result of `Backbone.arrays`. None loads the weights by the name in the manifest.

    Returns
    -------
    Backbone

    Raises
    ------
    InvalidEntryError
        If the manifest or an array does not fit, or the weights have another digest.
    MissingExtraError
        If there are no arrays and the package with the weights is not installed.
    """
    with entries_within("backbone."):
        stored = validated_entries(BackboneManifest, manifest)
        backbone = _cut(load_backbone(stored.name), stored) if arrays is None else _with_arrays(stored, arrays)
        if (found := backbone.sha256) != stored.sha256:
            raise InvalidEntryError(
                "sha256",
                f"must be the digest of the {'installed' if arrays is None else 'stored'} weights of the backbone "
                f"{stored.name}, {found[:12]}..., got {stored.sha256[:12]}... of revision '{shorten(stored.revision)}'",
            )
    return backbone


def _with_arrays(stored: BackboneManifest, arrays: State) -> Backbone:
    """Return the backbone of a manifest with stored weights.

    These are compared with a network on the device "meta" first, so that its memory is bounded by their size.
    """
    with torch.device("meta"):
        expected = _cut(_without_weights(stored), stored)
    check_arrays(arrays, expected.specs())
    backbone = _cut(_without_weights(stored), stored)
    backbone.load_arrays(arrays)
    return backbone


def _without_weights(stored: BackboneManifest) -> Backbone:
    """Return the backbone of a manifest before its weights are loaded."""
    if stored.name in VARIANTS:
        return EfficientNetLite(stored.name, stored.revision)
    if stored.name.startswith(PREFIX):
        return build_timm(TimmSpec.parse(stored.name), stored.revision)
    raise _unknown_backbone(stored.name)


def _cut(backbone: Backbone, stored: BackboneManifest) -> Backbone:
    """Return a backbone without the layers after the one that a manifest names, with the normalisation of the manifest."""
    if stored.deepest not in backbone.layers:
        raise InvalidEntryError(
            "deepest", f"must be a layer of the backbone {backbone.name}, got '{shorten(stored.deepest)}'"
        )
    if stored.deepest != backbone.layers[-1]:
        backbone.cut(stored.deepest)
    backbone.normalize_by(stored.mean, stored.std)
    return backbone


def _unknown_backbone(name: str) -> InvalidInputError:
    """Return the error for a name that is neither of a backbone nor a spec of timm."""
    return unknown(
        "backbone", name, (*backbone_names(), f"{PREFIX}NAME", f"{PREFIX}NAME{FILE_SEPARATOR}FILE.safetensors")
    )
