"""Backbones by name, and back from a model file."""

from collections.abc import Mapping
from typing import Any

from egbad.arrays import State
from egbad.backbones.base import Backbone, BackboneManifest
from egbad.backbones.efficientnet_lite import VARIANTS, EfficientNetLite, load_efficientnet_lite
from egbad.errors import InvalidEntryError, shorten, unknown
from egbad.model_file import entries_within, validated_entries


def backbone_names() -> tuple[str, ...]:
    """Return the names of the backbones that `load_backbone` knows.

    Returns
    -------
    tuple of str
    """
    return tuple(VARIANTS)


def load_backbone(spec: str | Backbone) -> Backbone:
    """Load a pretrained backbone.

    Parameters
    ----------
    spec : str or Backbone
        One of `backbone_names()`, or a backbone, which is returned.

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

    Examples
    --------
    >>> backbone = load_backbone("efficientnet_lite0")  # doctest: +SKIP
    >>> backbone.default_layers  # doctest: +SKIP
    ('block_4', 'block_10')
    """
    if isinstance(spec, Backbone):
        return spec
    if spec in VARIANTS:
        return load_efficientnet_lite(spec)
    raise unknown("backbone", spec, backbone_names())


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
        if arrays is None:
            backbone = load_backbone(stored.name)
            _cut(backbone, stored.deepest)
        else:
            backbone = _without_weights(stored)
            _cut(backbone, stored.deepest)
            backbone.load_arrays(arrays)
        if (found := backbone.sha256) != stored.sha256:
            raise InvalidEntryError(
                "sha256",
                f"must be the digest of the {'installed' if arrays is None else 'stored'} weights of the backbone "
                f"{stored.name}, {found[:12]}..., got {stored.sha256[:12]}... of revision '{shorten(stored.revision)}'",
            )
    return backbone


def _without_weights(stored: BackboneManifest) -> Backbone:
    """Return the backbone of a manifest before its weights are loaded."""
    if stored.name in VARIANTS:
        return EfficientNetLite(stored.name, stored.revision)
    raise unknown("backbone", stored.name, backbone_names())


def _cut(backbone: Backbone, deepest: str) -> None:
    """Remove the layers after the one that a manifest names."""
    if deepest not in backbone.layers:
        raise InvalidEntryError("deepest", f"must be a layer of the backbone {backbone.name}, got '{shorten(deepest)}'")
    backbone.cut(deepest)
