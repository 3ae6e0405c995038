"""Encoders in the exported graph agree with the encoders of the library."""

import numpy as np
import pytest
import torch

from egbad.export.encoder_graph import ImageEncoderGraph, RowEncoderGraph, encoder_graph
from egbad.preprocessing.image_encoder import IdentityEncoder, ImageEncoder
from egbad.preprocessing.row_encoder import RowEncoder


@pytest.mark.parametrize("scaling", ["standard", "rank_normal"])
def test_rows_are_encoded_and_decoded_like_the_encoder(scaling, correlated_table):
    x = correlated_table(200, 0)
    encoder = RowEncoder(scaling).fit(x)
    assert encoder.log.any() == (scaling == "standard")
    graph, outside = RowEncoderGraph(encoder), correlated_table(50, 1) * 7
    assert np.allclose(graph(torch.from_numpy(outside)).numpy(), encoder.encode(outside), rtol=1e-6, atol=1e-6)
    encoded = encoder.encode(x)
    assert np.allclose(graph.decode(torch.from_numpy(encoded)).numpy(), encoder.decode(encoded))


def test_mixed_columns_are_encoded_and_decoded_like_the_encoder():
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(size=100), rng.integers(0, 3, 100), rng.uniform(0, 1e9, 100)], axis=1)
    x[::7, 0] = x[::9, 1] = np.nan
    encoder = RowEncoder(column_types=("number", "category", "time")).fit(x)
    graph, new = RowEncoderGraph(encoder), x[:20].copy()
    new[0, 1] = 99.0  # a level that was not seen in training
    encoded = encoder.encode(new)
    assert np.allclose(graph(torch.from_numpy(new)).numpy(), encoded, rtol=1e-5, atol=1e-5)
    decoded = graph.decode(torch.from_numpy(encoded)).numpy()
    assert np.allclose(decoded, encoder.decode(encoded), equal_nan=True)


@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 3, 8, 8)])
def test_images_are_encoded_and_decoded_like_the_encoder(shape):
    x = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
    encoder = ImageEncoder().fit(x)
    graph = ImageEncoderGraph(encoder)
    encoded = encoder.encode(x)
    assert np.allclose(graph(torch.from_numpy(x)).numpy(), encoded, atol=1e-6)
    assert np.allclose(graph.decode(torch.from_numpy(encoded)).numpy(), x, atol=1e-6)


def test_extreme_pixels_are_clipped_like_the_encoder():
    encoder = ImageEncoder().fit(np.linspace(0, 1, 16, dtype=np.float32).reshape(1, 4, 4))
    x = np.array([3e38, -3e38, np.inf, 1e-40], dtype=np.float32).reshape(1, 2, 2)
    assert np.array_equal(ImageEncoderGraph(encoder)(torch.from_numpy(x)).numpy(), encoder.encode(x))


def test_another_encoder_is_refused():
    with pytest.raises(TypeError, match="must be a RowEncoder or an ImageEncoder, got IdentityEncoder"):
        encoder_graph(IdentityEncoder())
