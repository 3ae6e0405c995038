import numpy as np
import pytest
import torch

from egbad.detectors.ganomaly import GANomaly, GANomalyModel, GANomalySettings, default, paper
from egbad.nn.generators import MemberGenerators
from egbad.training import EarlyStopping, TrainingConfig

ROWS = torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(0))


def model(**given):
    base = default((5,)) | {"n_latent": 3, "width": 8}
    return GANomalyModel((5,), GANomalySettings.model_validate(base | given), MemberGenerators([0])).eval()


def test_losses_by_hand():
    m = model(adversarial_weight=2.0, residual_weight=50.0, latent_weight=3.0)
    z = m.E(ROWS)
    x_hat = m.G(z)
    adversarial = ((m.D.features(ROWS) - m.D.features(x_hat)) ** 2).mean()
    expected = 2 * adversarial + 50 * (ROWS - x_hat).abs().mean() + 3 * ((z - m.E_hat(x_hat)) ** 2).mean()
    assert m.loss_g(ROWS).item() == pytest.approx(expected.item(), rel=1e-5)
    real, fake = torch.sigmoid(m.D(ROWS)), torch.sigmoid(m.D(x_hat))
    assert m.loss_d(ROWS).item() == pytest.approx(-(real.log() + (1 - fake).log()).mean().item(), rel=1e-5)


@pytest.mark.parametrize("kind", ["l1", "squares"])
def test_score_is_the_distance_of_the_latents(kind):
    m = model(distance=kind)
    with torch.no_grad():
        z = m.E(ROWS)
        off = z - m.E_hat(m.G(z))
        expected = off.abs().sum(2) if kind == "l1" else (off**2).mean(2)
        assert torch.allclose(m.score_terms(ROWS)["latent"], expected, atol=1e-6)


@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")  # on some processors the discriminator wins
def test_early_stopping_keeps_weights_with_a_lower_validation_loss():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 5))
    # The learning rate is far too high, so the last weights are worse than earlier ones.
    kept, last = (
        GANomaly(
            training=TrainingConfig(steps=200, learning_rate=0.1, learning_rate_decay=False, ema_decay=0.0),
            early_stopping=EarlyStopping(criterion=criterion),
            alpha=0.05,
            random_state=0,
            device="cpu",
        ).fit(x)
        for criterion in ("validation", "none")
    )
    fresh = torch.from_numpy(kept.encoder_.encode(rng.normal(size=(200, 2)) @ rng.normal(size=(2, 5))))[None]
    with torch.no_grad():
        assert kept.model_.criterion(fresh).mean() < last.model_.criterion(fresh).mean()


def test_the_fitted_model_is_in_eval_mode():
    detector = GANomaly(training=TrainingConfig(steps=5), alpha=0.05, random_state=0).fit(
        np.random.default_rng(0).normal(size=(200, 4))
    )
    assert not any(module.training for module in detector.model_.modules())


def test_paper_recipe_has_the_released_values():
    s = GANomalySettings.model_validate(paper((1, 32, 32)))
    assert (s.n_latent, s.width, s.early_stopping.criterion) == (100, 64, "validation")
    assert (s.training.learning_rate, s.training.batch_size, s.training.epochs) == (2e-4, 64, 15)
    assert (s.adversarial_weight, s.residual_weight, s.latent_weight, s.training.beta1) == (1, 50, 1, 0.5)
