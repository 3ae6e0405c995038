"""Tests of `egbad.backbones.config`."""

import pytest

from egbad.backbones.config import FeatureConfig, FeatureSettings
from egbad.errors import InvalidInputError


def test_options_that_are_none_take_the_defaults():
    found = FeatureSettings.of(FeatureConfig(image_size=224, layers=["block_4"]))
    assert (found.image_size, found.layers, found.shrinkage) == (224, ("block_4",), 0.1)
    assert FeatureSettings.of(None) == FeatureSettings() and FeatureSettings.of(found) is found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 16}, "image_size: input should be greater than or equal to 32, got 16"),
        ({"pooling": 2}, "pooling: must be odd, got 2"),
        ({"length": "short"}, "length: input should be 'soft', 'unit' or 'none', got 'short'"),
        ({"shrinkage": 0.0}, "shrinkage: input should be greater than 0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        FeatureSettings.of(FeatureConfig(**options))


def test_other_objects_are_refused():
    with pytest.raises(InvalidInputError, match="feature_config must be a FeatureConfig or None, got {}"):
        FeatureSettings.of({})
