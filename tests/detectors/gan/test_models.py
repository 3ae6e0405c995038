import pytest
import torch
from torch import nn

from egbad.detectors.base import merge_settings
from egbad.detectors.gan.models import (
    DISCRIMINATOR_DEAD,
    DISCRIMINATOR_WON,
    GENERATOR_COLLAPSED,
    BiGANModel,
    BiGANSettings,
    GANModel,
    GANSettings,
    attribute_by_difference,
)
from egbad.detectors.gan.recipes import bigan_default, gan_default, released_recipe
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import Dropout

ROWS = torch.randn(1, 50, 6, generator=torch.Generator().manual_seed(0))


def bigan(**given):
    values = merge_settings(bigan_default((6,)), {"n_latent": 3, "width": 8} | given)
    return BiGANModel((6,), BiGANSettings.model_validate(values), MemberGenerators([0])).eval()


def gan(**given):
    values = merge_settings(gan_default((6,)), {"n_latent": 3, "width": 8} | given)
    return GANModel((6,), GANSettings.model_validate(values), MemberGenerators([0])).eval()


def shown_symptoms(model, x):
    return [symptom for symptom, members in model.symptoms(x).items() if members.any()]


# -- losses ------------------------------------------------------------------------------------------------------------


def test_bigan_losses_are_non_saturating_with_cycle_consistency():
    m = bigan(adversarial_weight=1.0, cycle_weight=2.0, input_noise=0.0)
    x = ROWS[:, :5]
    z = torch.full((1, 5, 3), 0.5)
    m.sample_latent = lambda n: z
    p_real, p_fake = torch.sigmoid(m.D(x, m.E(x))), torch.sigmoid(m.D(m.G(z), z))
    assert torch.allclose(m.loss_d(x), -(p_real.log() + (1 - p_fake).log()).mean(1), atol=1e-5)
    cycle = (x - m.G(m.E(x))).abs().sum(2)
    assert torch.allclose(m.loss_eg(x), -((1 - p_real).log() + p_fake.log()).mean(1) + 2 * cycle.mean(1), atol=1e-5)


def test_the_released_generators_moments_are_those_of_generated_images_and_of_reconstructions():
    values = released_recipe((1, 28, 28)) | {"n_latent": 3}
    m = BiGANModel((1, 28, 28), BiGANSettings.model_validate(values), MemberGenerators([0]))
    x = torch.rand(1, 5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    z = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(1))
    m.sample_latent = lambda n: z
    dense, norm = m.G[0], m.G[1]
    m.loss_d(x)
    assert not norm.running_mean.any(), "E and G do not learn in D's turn"
    with torch.no_grad():
        generated, reconstructed = (dense(latent).mean(1) for latent in (z, m.E(x)))
    m.loss_eg(x)
    torch.testing.assert_close(norm.running_mean, 0.99 * 0.01 * generated + 0.01 * reconstructed)


def test_gan_losses_are_non_saturating():
    m = gan(input_noise=0.0)
    z = torch.full((1, 50, 3), 0.5)
    m.sample_latent = lambda n: z
    p_real, p_fake = torch.sigmoid(m.D(ROWS)), torch.sigmoid(m.D(m.G(z)))
    assert torch.allclose(m.loss_d(ROWS), -(p_real.log() + (1 - p_fake).log()).mean(1), atol=1e-5)
    assert torch.allclose(m.loss_g(ROWS), -p_fake.log().mean(1), atol=1e-5)


def test_discriminator_loss_gives_no_gradient_to_encoder_and_generator():
    m = bigan()
    m.loss_d(ROWS).sum().backward()
    assert all(p.grad is None for p in [*m.E.parameters(), *m.G.parameters()])
    assert all(p.grad is not None for p in m.D.parameters())


def test_without_an_adversarial_loss_there_is_one_player_and_no_symptom():
    m = bigan(adversarial_weight=0.0)
    assert [player.name for player in m.players()] == ["EG"]
    assert m.symptoms(ROWS) == {}


def test_latents_are_standard_normal():
    z = bigan().sample_latent(20_000)
    assert z.mean().item() == pytest.approx(0, abs=0.02)
    assert z.std().item() == pytest.approx(1, rel=0.02)


# -- symptoms ----------------------------------------------------------------------------------------------------------


def test_a_discriminator_that_has_won_is_a_symptom():
    m = bigan(input_noise=0.0)
    x = 5 + ROWS  # far from everything that G generates
    optimizer = torch.optim.Adam(m.D.parameters(), lr=1e-2)
    for _ in range(100):
        optimizer.zero_grad()
        m.loss_d(x).sum().backward()
        optimizer.step()
    assert shown_symptoms(m, x) == [DISCRIMINATOR_WON]


def test_a_collapsed_generator_is_a_symptom():
    m = bigan(cycle_weight=0.0)
    with torch.no_grad():
        for p in m.G.parameters():
            p.zero_()
    assert shown_symptoms(m, ROWS) == [GENERATOR_COLLAPSED]


def test_a_dead_discriminator_is_a_symptom():
    m = bigan()
    with torch.no_grad():
        m.D.head.weight.zero_()
    assert shown_symptoms(m, ROWS) == [DISCRIMINATOR_DEAD]


def test_equal_logits_of_equal_rows_are_no_symptom():
    m = bigan()
    with torch.no_grad():
        m.D.head.weight.zero_()
    assert not m.symptoms(torch.ones(1, 50, 6))[DISCRIMINATOR_DEAD].any()


# -- networks ----------------------------------------------------------------------------------------------------------


def weight_shapes(module):
    return [tuple(w.shape[1:]) for name, w in module.named_parameters() if w.dim() > 2 and "weight" in name]


def test_released_bigan_networks_for_kdd99():
    settings = BiGANSettings.model_validate(released_recipe((121,)) | {"networks": "auto"})
    m = BiGANModel((121,), settings, MemberGenerators([0]))
    assert weight_shapes(m.E) == [(121, 64), (64, 32)]
    assert weight_shapes(m.G) == [(32, 64), (64, 128), (128, 121)]
    assert sorted(weight_shapes(m.D)) == [(32, 128), (121, 128), (128, 1), (256, 128)]
    leaky = [layer for layer in [*m.E.modules(), *m.D.modules()] if isinstance(layer, nn.LeakyReLU)]
    assert [layer.negative_slope for layer in leaky] == [0.1] * 4
    assert [layer.p for layer in m.D.modules() if isinstance(layer, Dropout)] == [0.2] * 3


# -- attribution -------------------------------------------------------------------------------------------------------


def test_attribution_by_difference_adds_up_to_the_score():
    m = bigan()
    m.score_terms = lambda x: {"a": x.abs().sum(2), "b": torch.ones(x.shape[:2])}
    with torch.no_grad():
        attribution = attribute_by_difference(m, ROWS)
        assert torch.allclose(attribution.shares.sum(2), ROWS.abs().sum(2) + 1, rtol=1e-4)
        differences = (ROWS - m.reconstruct(ROWS)).abs()
    ratio = attribution.shares / differences
    assert torch.allclose(ratio, ratio[..., :1].expand_as(ratio), rtol=1e-3)
