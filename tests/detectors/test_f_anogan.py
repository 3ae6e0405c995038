import numpy as np
import pytest
import torch

from egbad.detectors.f_anogan import FAnoGAN, FAnoGANModel, FAnoGANSettings, default, gradient_penalty
from egbad.nn.generators import MemberGenerators
from egbad.training import TrainingConfig

ROWS = torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(0))


def model(**given):
    base = default((5,)) | {"n_latent": 2, "width": 8}
    return FAnoGANModel((5,), FAnoGANSettings.model_validate(base | given), MemberGenerators([0])).eval()


def test_gradient_penalty_by_hand():
    assert gradient_penalty(torch.tensor([[[3.0, 4.0], [0.0, 1.0]]])).tolist() == [[16.0, 0.0]]


def test_critic_loss_by_hand():
    m = model(penalty_weight=10.0)
    z = torch.full((1, 6, 2), 0.5)
    m.sample_latent = lambda n: z
    w = torch.tensor([1.0, -2.0, 0.0, 2.0, 0.0])  # a linear critic, whose gradient is w everywhere: |w| = 3
    m.D.forward = lambda x: x @ w
    expected = (m.G(z) @ w - ROWS @ w).mean() + 10 * (3 - 1) ** 2
    assert m.loss_d(ROWS).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_critic_sees_noise_on_real_and_on_generated_rows():
    m = model(input_noise=0.5, n_critic=1)
    seen = []
    m.add_input_noise = lambda x: seen.append(x) or x + 100
    m.D.forward = lambda x: x.sum(2)
    x_gen = m.G(torch.full((1, 6, 2), 0.5))
    m.sample_latent = lambda n: torch.full((1, 6, 2), 0.5)
    m.loss_d(ROWS)
    m.loss_g(ROWS)
    assert len(seen) == 3
    assert all(torch.equal(a, b) for a, b in zip(seen, (ROWS, x_gen, x_gen), strict=True))


@pytest.mark.parametrize("mapping", ["izi", "izi_f", "ziz"])
def test_encoder_losses_by_hand(mapping):
    m = model(mapping=mapping, feature_weight=0.7)
    z = torch.full((1, 6, 2), 0.5)
    m.sample_latent = lambda n: z
    x_hat = m.G(m.E(ROWS))
    residual = ((ROWS - x_hat) ** 2).mean()
    features = ((m.D.features(ROWS) - m.D.features(x_hat)) ** 2).mean()
    expected = {"izi": residual, "izi_f": residual + 0.7 * features, "ziz": ((z - m.E(m.G(z))) ** 2).mean()}[mapping]
    assert m.loss_e(ROWS).item() == pytest.approx(expected.item(), rel=1e-5)


def test_score_by_hand():
    m = model(feature_weight=0.7)
    with torch.no_grad():
        x_hat, terms = m.G(m.E(ROWS)), m.score_terms(ROWS)
        assert torch.allclose(terms["residual"], ((ROWS - x_hat) ** 2).mean(2))
        features = ((m.D.features(ROWS) - m.D.features(x_hat)) ** 2).mean(2)
        assert torch.allclose(terms["features"], 0.7 * features, atol=1e-6)


def test_the_second_stage_trains_the_encoder_only():
    x = np.random.default_rng(0).normal(size=(300, 5))
    short, long = (
        FAnoGAN(training=TrainingConfig(steps=10), encoder_steps=steps, alpha=0.05, random_state=0).fit(x)
        for steps in (0, 30)
    )
    a, b = short.model_.state_dict(), long.model_.state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a if not name.startswith("E."))
    assert not all(torch.equal(a[name], b[name]) for name in a if name.startswith("E."))
    history = long.history_
    assert history["step"][-1] == 40
    assert np.isnan(history["E"][0]).all() and np.isnan(history["D"][-1]).all()


def test_the_critic_is_updated_more_often():
    (critic, g), (e,) = model(n_critic=5).stages()
    assert (critic.n_updates, g.n_updates, e.n_updates) == (5, 1, 1)
