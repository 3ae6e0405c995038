"""Images become PNG data URIs on shared scales."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from egbad.errors import InvalidInputError
from egbad.report.image_grid import (
    ImageGrid,
    Reconstructions,
    render_grid,
    sample_by_score,
)
from egbad.report.serialization import to_jsonable


def decode(uri):
    return np.asarray(Image.open(BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,")))))


def test_images_are_sampled_evenly_from_the_lowest_score_to_the_highest():
    x = np.arange(20.0)[:, None, None] * np.ones((1, 4, 4))
    sample = sample_by_score(lambda images: images + 1, x, np.arange(20.0), np.arange(20) >= 15, 3)
    assert sample.normal_scores.tolist() == [0, 7, 14] and sample.anomaly_scores.tolist() == [15, 17, 19]
    assert (sample.normal_reconstructed == sample.normal + 1).all()


def test_fewer_images_than_asked_for_are_all_taken():
    x = np.zeros((3, 2, 2))
    sample = sample_by_score(np.copy, x, np.arange(3.0), np.array([False, True, True]), 8)
    assert len(sample.normal) == 1 and len(sample.anomaly) == 2


def test_shapes_must_fit_together():
    x = np.zeros((2, 4, 4))
    with pytest.raises(InvalidInputError, match="The anomaly images must have shape"):
        Reconstructions(x, x, x, x[:1], np.zeros(2), np.zeros(2))
    with pytest.raises(InvalidInputError, match="n scores"):
        Reconstructions(x, x, x, x, np.zeros(3), np.zeros(2))


def test_all_images_of_a_grid_share_one_scale():
    normal, anomaly = np.full((1, 2, 2), 0.0), np.full((1, 2, 2), 10.0)
    grid = render_grid(Reconstructions(normal, normal + 5, anomaly, anomaly, np.zeros(1), np.ones(1)))
    assert decode(grid.normals[0].original).max() == 0 and decode(grid.anomalies[0].original).min() == 255
    assert decode(grid.normals[0].reconstruction).max() == 128
    assert grid.max_difference == 5 and (grid.height, grid.width) == (2, 2)


def test_a_grid_is_restored_from_its_json_and_from_early_files():
    x = np.random.default_rng(0).random((2, 3, 3))
    grid = render_grid(Reconstructions(x, x * 0.5, x[:1], x[:1], np.zeros(2), np.ones(1)))
    values = to_jsonable(grid)
    assert ImageGrid.from_dict(values) == grid
    early = {"height": 3, "width": 3, "reach": values["max_difference"]} | {
        kind: [{("rebuilt" if k == "reconstruction" else k): v for k, v in image.items()} for image in values[kind]]
        for kind in ("normals", "anomalies")
    }
    assert ImageGrid.from_dict(early) == grid
