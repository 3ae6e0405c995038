import pytest

from egbad.detectors.gan.models import BiGANSettings, GANSettings
from egbad.detectors.gan.recipes import bigan_default, gan_default, released_recipe

SHAPES = [(1,), (6,), (121,), (1, 28, 28), (3, 16, 16)]


@pytest.mark.parametrize("shape", SHAPES)
def test_recipes_are_valid_for_rows_and_images(shape):
    assert BiGANSettings.model_validate(bigan_default(shape)).cycle_weight > 0
    assert GANSettings.model_validate(gan_default(shape)).n_latent >= 1
    assert BiGANSettings.model_validate(released_recipe(shape)).cycle_weight == 0


def test_latents_are_at_most_half_the_columns():
    assert [bigan_default((d,))["n_latent"] for d in (1, 3, 10, 500)] == [1, 1, 5, 32]


def test_released_recipe_has_the_released_values():
    rows, images = released_recipe((121,)), released_recipe((1, 28, 28))
    training = rows["training"]
    assert (training["learning_rate"], training["batch_size"], training["ema_decay"]) == (1e-5, 50, 0.9999)
    assert rows["n_latent"] == 32
    assert (images["networks"], images["n_latent"], images["training"]["batch_size"]) == ("mnist", 200, 100)
    assert released_recipe((3, 28, 28))["networks"] == "auto"
