"""Tests of `egbad.backbones.runtime`."""

import pickle
import sys

import numpy as np
import pytest
import torch

from egbad.backbones import FeatureRunner, backbone_names, engine_or_torch, load_backbone, resolve_engine
from egbad.backbones.runtime import ENGINE_TOLERANCE
from egbad.errors import InvalidInputError, MissingExtraError


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("efficientnet_lite0")


@pytest.fixture
def two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def images(n, height=64, width=96):
    return np.random.default_rng(0).uniform(size=(n, 3, height, width)).astype(np.float32)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_features_of_an_image_have_the_same_bits_in_any_batch(backbone, engine):
    runner, x = FeatureRunner(backbone, engine=engine), images(5)
    together, reversed_, alone = runner(x), runner(x[::-1]), [runner.features(image) for image in x]
    for name, maps in together.items():
        np.testing.assert_array_equal(reversed_[name][::-1], maps)
        np.testing.assert_array_equal([found[name].numpy() for found in alone], maps)


@pytest.mark.parametrize("name", backbone_names())
@pytest.mark.parametrize("size", [(64, 96), (65, 97), (320, 320)])
def test_engines_agree_within_the_stated_tolerance(name, size):
    backbone, x = load_backbone(name), images(1, *size)
    expected = FeatureRunner(backbone, backbone.layers, engine="torch")(x)
    found = FeatureRunner(backbone, backbone.layers, engine="onnxruntime")(x)
    for layer, maps in expected.items():
        assert np.abs(found[layer] - maps).max() < ENGINE_TOLERANCE * np.abs(maps).max()


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_features_do_not_depend_on_the_memory_of_the_image(backbone, engine):
    runner, x = FeatureRunner(backbone, engine=engine), images(1)[0]
    memory = np.empty(x.size + 1, np.float32)
    shifted = memory[1:].reshape(x.shape)
    shifted[:] = x
    by_columns = np.asfortranarray(x)
    for other in (shifted, by_columns, torch.from_numpy(x)):
        assert torch.equal(runner.features(other)["block_10"], runner.features(x)["block_10"])


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_features_are_contiguous(backbone, engine):
    maps = FeatureRunner(backbone, engine=engine).features(images(1)[0])
    assert all(value.is_contiguous() for value in maps.values())


def test_a_pickled_runner_gives_the_same_bits(backbone):
    runner, x = FeatureRunner(backbone), images(1)[0]
    copy = pickle.loads(pickle.dumps(runner))
    assert copy.engine == runner.engine == "onnxruntime"
    assert torch.equal(copy.features(x)["block_10"], runner.features(x)["block_10"])


def test_auto_is_torch_without_onnxruntime(backbone, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    assert FeatureRunner(backbone).engine == engine_or_torch("onnxruntime", backbone) == "torch"
    with pytest.raises(
        MissingExtraError, match=r"engine='onnxruntime' needs .*Install it with: pip install 'egbad\[backbones\]'"
    ):
        FeatureRunner(backbone, engine="onnxruntime")


def test_a_fitted_engine_stays_where_it_is_installed(backbone):
    assert engine_or_torch("onnxruntime", backbone) == "onnxruntime"
    assert engine_or_torch("torch", backbone) == "torch"


def test_an_unknown_engine_is_refused(backbone):
    with pytest.raises(InvalidInputError, match="engine must be one of auto, torch, onnxruntime, got 'onnx'"):
        FeatureRunner(backbone, engine="onnx")


def test_onnxruntime_is_refused_on_a_gpu(backbone):
    message = "engine='onnxruntime' needs an EfficientNet-Lite on the CPU, got efficientnet_lite0 on cuda. Use 'auto'."
    with pytest.raises(InvalidInputError, match=message):
        resolve_engine("onnxruntime", backbone, "cuda")
    assert resolve_engine("auto", backbone, "cuda") == "torch"


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 15, 64)])
def test_images_that_do_not_fit_are_refused(backbone, engine, shape):
    with pytest.raises(InvalidInputError, match="^Images "):
        FeatureRunner(backbone, engine=engine).features(np.zeros(shape, np.float32))


def test_map_takes_images_of_different_sizes(backbone):
    x = [images(1, 64, 64)[0], torch.from_numpy(images(1, 32, 96)[0])]
    shapes = FeatureRunner(backbone).map(lambda maps: tuple(maps["block_4"].shape), x)
    assert shapes == [(40, 8, 8), (40, 4, 12)]


def test_an_unknown_layer_is_refused_before_any_image(backbone):
    with pytest.raises(InvalidInputError, match="There is no layer of the backbone efficientnet_lite0 'block_16'"):
        FeatureRunner(backbone, ["block_16"])


def test_one_image_without_an_axis_of_images_is_refused(backbone):
    with pytest.raises(InvalidInputError, match=r"must have shape \(n, 3, h, w\)"):
        FeatureRunner(backbone)(images(1)[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_features_on_a_gpu_are_close(backbone):
    x = images(5)
    expected, found = FeatureRunner(backbone)(x), FeatureRunner(load_backbone("efficientnet_lite0"), device="cuda")(x)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-3)
