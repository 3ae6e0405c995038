"""Tests of `egbad.backbones.timm_models`."""

import importlib
import json
import re
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from egbad.backbones import FeatureRunner, load_backbone, restore_backbone
from egbad.backbones.timm_models import TimmSpec, build_timm
from egbad.errors import EgbadError, InvalidEntryError, InvalidInputError, MissingExtraError, UnreadableFileError

pytestmark = pytest.mark.usefixtures("timm")
CONVOLUTIONAL, TRANSFORMER = "test_resnet", "test_vit"


def backbone_of(name):
    """Return a backbone with random weights."""
    return build_timm(TimmSpec.parse(f"timm:{name}"))


@pytest.fixture
def weights(timm, tmp_path):
    """Return a file of random weights of a network with its classifier."""
    path = tmp_path / "weights.safetensors"
    save_file(timm.create_model(CONVOLUTIONAL).state_dict(), path)
    return path


def test_layers_of_a_residual_network():
    backbone = backbone_of("resnet18.tv_in1k")
    assert backbone.layers == ("act1", "layer1", "layer2", "layer3", "layer4")
    assert (backbone.default_layers, backbone.global_layer) == (("layer2", "layer3"), "layer4")
    assert (backbone.mean, backbone.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    maps = backbone(torch.rand(2, 3, 64, 96), backbone.layers)
    for name, values in maps.items():
        stride = backbone.strides[name]
        assert values.shape == (2, backbone.channels[name], 64 // stride, 96 // stride)


def test_features_equal_those_of_the_network_on_normalised_images(timm):
    backbone = backbone_of("resnet18")
    x = torch.rand(1, 3, 64, 64)
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (backbone.mean, backbone.std))
    expected = backbone.network.forward_features((x - mean) / std)
    torch.testing.assert_close(backbone(x, ["layer4"])["layer4"], expected)


@pytest.mark.parametrize("size", [(160, 160), (96, 200), (60, 50)])
def test_tokens_of_a_transformer_become_maps_for_images_of_any_size(size):
    backbone = backbone_of(TRANSFORMER)
    last, stride = backbone.layers[-1], backbone.strides[backbone.layers[-1]]
    assert backbone.default_layers == (last,)
    found = backbone(torch.rand(1, 3, *size), backbone.layers)
    expected = (1, backbone.channels[last], -(-size[0] // stride), -(-size[1] // stride))
    assert {values.shape for values in found.values()} == {expected}


def test_building_a_network_leaves_the_random_numbers_of_torch():
    before = torch.get_rng_state()
    backbone_of(CONVOLUTIONAL)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", [CONVOLUTIONAL, TRANSFORMER])
def test_a_cut_network_is_smaller_and_gives_the_same_features(name):
    backbone = backbone_of(name)
    middle = backbone.layers[1]
    short, x = backbone.truncated([middle]), torch.rand(1, 3, 64, 64)
    assert short.layers == backbone.layers[:2] and len(short.arrays()) < len(backbone.arrays())
    assert torch.equal(short(x, [middle])[middle], backbone(x, [middle])[middle])
    restored = restore_backbone(json.loads(json.dumps(short.manifest())), short.arrays())
    assert torch.equal(restored(x, [middle])[middle], backbone(x, [middle])[middle])


def test_features_of_an_image_have_the_same_bits_in_any_batch():
    runner = FeatureRunner(backbone_of(CONVOLUTIONAL))
    x = np.random.default_rng(0).uniform(size=(4, 3, 64, 64)).astype(np.float32)
    assert runner.engine == "torch"
    for name, maps in runner(x).items():
        np.testing.assert_array_equal([runner.features(image)[name] for image in x], maps)


def test_a_local_file_needs_no_network_and_loses_its_classifier(weights, timm):
    spec = f"timm:{CONVOLUTIONAL}@{weights}"
    backbone = load_backbone(spec)
    assert backbone.name == spec and backbone.sha256 == load_backbone(spec).sha256
    assert not any("fc" in name for name in backbone.arrays())
    by_reference = restore_backbone(backbone.manifest(), None)
    weights.unlink()
    restored = restore_backbone(backbone.manifest(), backbone.arrays())
    assert restored.sha256 == by_reference.sha256 == backbone.sha256
    with pytest.raises(
        UnreadableFileError, match=r"weights.safetensors must be a file of weights of test_resnet, but there is"
    ):
        restore_backbone(backbone.manifest(), None)


def test_weights_in_half_precision_are_converted(weights, timm):
    expected = load_backbone(f"timm:{CONVOLUTIONAL}@{weights}")
    half = weights.with_name("half.safetensors")
    save_file({name: value.half() for name, value in timm.create_model(CONVOLUTIONAL).state_dict().items()}, half)
    found = load_backbone(f"timm:{CONVOLUTIONAL}@{half}")
    assert found.arrays().keys() == expected.arrays().keys()


def test_a_local_file_that_changed_is_refused(weights, timm):
    spec = f"timm:{CONVOLUTIONAL}@{weights}"
    manifest = load_backbone(spec).manifest()
    save_file(timm.create_model(CONVOLUTIONAL).state_dict(), weights)
    with pytest.raises(InvalidEntryError, match="'backbone.sha256' must be the digest of the installed weights"):
        restore_backbone(manifest, None)


def test_a_local_file_of_another_model_is_refused(weights):
    message = r"weights.safetensors must hold the weights of resnet18: '[a-z0-9._]+' (is|must) "
    with pytest.raises(UnreadableFileError, match=message):
        load_backbone(f"timm:resnet18@{weights}")


def test_a_file_that_is_no_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(UnreadableFileError, match="weights.safetensors must be a .safetensors file: "):
        load_backbone(f"timm:{CONVOLUTIONAL}@{path}")


def test_an_unknown_model_is_refused_with_the_nearest_name():
    with pytest.raises(InvalidInputError, match=r"There is no model in timm 'resnet_18'. Did you mean 'resnet18'\?"):
        load_backbone("timm:resnet_18")


def test_an_unknown_tag_of_weights_is_refused():
    with pytest.raises(InvalidInputError, match=r"timm cannot create timm:resnet18.nothing: Invalid pretrained tag"):
        load_backbone("timm:resnet18.nothing")


def test_an_unreachable_hub_is_one_sentence(monkeypatch, tmp_path):
    hub = importlib.import_module("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    message = (
        r"^The weights of timm:test_resnet cannot be downloaded from the Hugging Face Hub: .*[^.]\. "
        r"Connect to the network, or pass a local file as timm:test_resnet@FILE.safetensors\.$"
    )
    with pytest.raises(EgbadError, match=message):
        load_backbone("timm:test_resnet")


def test_a_size_that_the_network_cannot_take_is_refused():
    backbone = backbone_of("mixer_s32_224")
    message = (
        r"timm:mixer_s32_224 cannot compute the layers blocks.7 of images of 256 x 256 pixels: .*Use 224 x 224 pixels."
    )
    with pytest.raises(InvalidInputError, match=message):
        backbone(torch.rand(1, 3, 256, 256))


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    for package in ("timm", "torchvision"):
        monkeypatch.delitem(sys.modules, package, raising=False)
    message = r"A backbone of timm needs timm and torchvision, .* pip install 'egbad\[timm\]'"
    with pytest.raises(MissingExtraError, match=message):
        load_backbone("timm:resnet18")


def test_stored_weights_are_compared_before_a_large_network_is_built():
    small = backbone_of(CONVOLUTIONAL)
    manifest = small.manifest() | {"name": "timm:vit_giant_patch14_dinov2", "deepest": "blocks.39"}
    with pytest.raises(InvalidEntryError, match=r"'backbone.network.[a-z0-9.]+' is not an array that such a model has"):
        restore_backbone(manifest, small.arrays())


def test_a_torchvision_of_another_torch_is_one_sentence(monkeypatch):
    def fail(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr("egbad.backbones.timm_models.import_module", fail)
    message = (
        r"^timm cannot be imported: operator torchvision::nms does not exist. "
        rf"Install a build of torchvision that belongs to torch {re.escape(torch.__version__)}, from the same index.$"
    )
    with pytest.raises(EgbadError, match=message):
        load_backbone("timm:resnet18")
