"""Tests of `egbad.backbones.hooked_module`."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from egbad.backbones import FeatureRunner, HookedModule, load_backbone
from egbad.errors import InvalidInputError


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, 4, 1),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.Conv2d(4, 8, 3, 2, 1),
            nn.Conv2d(8, 16, 3, 2, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 2),
        )


def test_submodules_that_return_maps_are_layers():
    backbone = load_backbone(network())
    assert backbone.layers == ("0", "1", "2", "3", "4")
    assert backbone.strides == {"0": 4, "1": 4, "2": 4, "3": 8, "4": 16}
    assert (backbone.default_layers, backbone.global_layer) == (("3", "4"), "4")


def test_maps_are_those_before_changes_in_place():
    module = network().eval()
    backbone = HookedModule(module, mean=(0, 0, 0), std=(1, 1, 1))
    x = torch.rand(1, 3, 64, 64)
    found = backbone(x, ["1", "2"])
    with torch.no_grad():
        torch.testing.assert_close(found["1"], module[:2](x))
        torch.testing.assert_close(found["2"], module[:3](x))
    assert float(found["1"].min()) < 0


def test_the_module_of_the_user_is_left_unchanged():
    module = network()
    HookedModule(module)(torch.rand(1, 3, 64, 64))
    assert module.training and all(weight.requires_grad for weight in module.parameters())
    assert not any(child._forward_hooks for child in module.modules())


def test_a_pass_ends_at_the_deepest_layer():
    backbone = HookedModule(network())
    backbone.module[4] = nn.Identity()  # without the hook of layer 4, and with another number of channels
    assert backbone(torch.rand(1, 3, 64, 64), ["0", "3"])["3"].shape == (1, 8, 8, 8)


def test_threads_do_not_mix_their_images():
    x = np.random.default_rng(0).uniform(size=(32, 3, 64, 64)).astype(np.float32)
    runner = FeatureRunner(HookedModule(network()))
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        together = runner(x)
    finally:
        torch.set_num_threads(threads)
    for name, maps in together.items():
        np.testing.assert_array_equal([runner.features(image)[name] for image in x], maps)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda backbone: pickle.loads(pickle.dumps(backbone))])
def test_a_copy_gives_the_same_features(duplicate):
    backbone, x = HookedModule(network()), torch.rand(1, 3, 64, 64)
    assert torch.equal(duplicate(backbone)(x)["4"], backbone(x)["4"])


def test_a_module_cannot_be_written_to_a_model_file():
    message = r"A detector whose backbone is a torch module \(Sequential\) cannot be saved, since a model file contains no code."
    with pytest.raises(InvalidInputError, match=message):
        HookedModule(network()).check_storable()


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Linear(4, 2), "A backbone must take images of shape .*, but Linear fails at 224 x 224 pixels: "),
        (
            nn.Sequential(nn.Flatten()),
            "A backbone must have submodules that return maps of shape .*, got Sequential without",
        ),
    ],
)
def test_a_module_without_maps_is_refused(module, message):
    with pytest.raises(InvalidInputError, match=message):
        load_backbone(module)
