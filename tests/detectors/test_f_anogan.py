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


def test_the_paper_recipe_has_the_released_rates_and_steps():
    detector = FAnoGAN(recipe="paper")
    detector.settings_ = detector.settings_for((1, 64, 64))
    gan, encoder = detector._schedules(64_000)
    s = detector.settings_
    assert (s.n_latent, s.width, s.n_critic, s.penalty_weight, s.feature_weight) == (128, 64, 5, 10, 1)
    assert (gan.learning_rate, gan.beta1, gan.beta2, gan.batch_size) == (1e-4, 0, 0.9, 64)
    assert gan.steps * s.n_critic == 7 * 1000, "the critic sees every image seven times"
    assert (encoder.steps, encoder.learning_rate, encoder.batch_size) == (50_000, 5e-5, 64)
    assert {schedule.ema_decay for schedule in (gan, encoder)} == {0}
    assert encoder.learning_rate_at(49_999) == 5e-5


def test_the_encoders_adam_in_the_paper_recipe_is_rmsprop():
    generator = torch.Generator().manual_seed(0)
    by_adam, by_rmsprop = (torch.nn.Parameter(torch.zeros(5)) for _ in range(2))
    s = FAnoGAN(recipe="paper").settings_for((1, 64, 64))
    adam = torch.optim.Adam([by_adam], lr=1e-3, betas=(s.encoder_beta1, s.encoder_beta2))
    rmsprop = torch.optim.RMSprop([by_rmsprop], lr=1e-3, alpha=0.9)
    for step in range(200):
        before = by_adam.detach().clone(), by_rmsprop.detach().clone()
        by_adam.grad = by_rmsprop.grad = torch.randn(5, generator=generator)
        adam.step()
        rmsprop.step()
        if step >= 100:
            torch.testing.assert_close(by_adam - before[0], by_rmsprop - before[1], rtol=1e-3, atol=1e-6)
