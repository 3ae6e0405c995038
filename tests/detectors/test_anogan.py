import numpy as np
import pytest
import torch

from egbad.detectors.anogan import AnoGAN, AnoGANModel, AnoGANSettings, gan_default, paper, search_rate
from egbad.nn.generators import MemberGenerators
from egbad.training import TrainingConfig

ROWS = torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(0))


def model(**given):
    base = gan_default((5,)) | {"n_latent": 2, "width": 8, "search_steps": 20}
    return AnoGANModel((5,), AnoGANSettings.model_validate(base | given), MemberGenerators([0])).eval()


def settings(**given):
    return AnoGANSettings.model_validate(gan_default((5,)) | given)


@pytest.mark.parametrize("kind", ["fm", "sigma"])
def test_loss_is_the_papers_weighted_sum(kind):
    m = model(discriminator_loss=kind, feature_weight=0.3)
    z = torch.randn(1, 6, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        terms = m.losses(ROWS, z, m.D.features(ROWS))
        x_hat = m.G(z)
        features = (m.D.features(ROWS) - m.D.features(x_hat)).abs().sum(2)
        expected = features if kind == "fm" else -torch.log(torch.sigmoid(m.D(x_hat)))
    assert torch.allclose(terms["residual"], 0.7 * (ROWS - x_hat).abs().sum(2))
    assert torch.allclose(terms["features"], 0.3 * expected, atol=1e-6)


def test_search_rates_equal_those_of_the_released_code():
    s = settings()
    assert (s.search_steps, s.search_learning_rate, s.search_decay) == (500, 0.01, True)
    rates = [search_rate(step, 500, 0.01) for step in (0, 299, 300, 399, 400, 499)]
    assert rates == [0.01, 0.01, 0.001, 0.001, 0.0005, 0.0005]
    images, rows = (AnoGANSettings.model_validate(paper(shape)) for shape in ((1, 28, 28), (121,)))
    rates = [search_rate(step, 500, 0.01, images.search_milestones) for step in (0, 199, 200, 299, 300, 499)]
    assert rates == [0.01, 0.01, 0.001, 0.001, 0.0005, 0.0005]
    assert rows.search_milestones == s.search_milestones


def test_without_decay_the_search_rate_is_constant():
    m = model(search_steps=10, search_learning_rate=0.05, search_decay=False)
    z = m.z_start.expand(-1, 6, -1).clone().requires_grad_()
    optimizer = torch.optim.Adam([z], lr=0.05)
    for _ in range(10):
        optimizer.zero_grad()
        sum(m.losses(ROWS, z, m.D.features(ROWS).detach()).values()).sum().backward()
        optimizer.step()
    assert torch.allclose(m.search(ROWS), z.detach(), atol=1e-5)


def test_search_equals_adam_from_the_same_start_for_every_row():
    m = model(search_steps=7, search_learning_rate=0.05, search_milestones=(0.2, 0.6))
    for row in range(6):
        z = m.z_start.clone().requires_grad_()
        optimizer = torch.optim.Adam([z], lr=0.05)
        x = ROWS[:, row : row + 1]
        for step in range(7):
            optimizer.param_groups[0]["lr"] = search_rate(step, 7, 0.05, (0.2, 0.6))
            optimizer.zero_grad()
            sum(m.losses(x, z, m.D.features(x).detach()).values()).sum().backward()
            optimizer.step()
        assert torch.allclose(m.search(ROWS)[:, row], z[:, 0].detach(), atol=1e-5)


def test_starting_latents_lie_within_two_standard_deviations():
    starts = torch.cat(
        [AnoGANModel((5,), settings(n_latent=20), MemberGenerators([seed])).z_start for seed in range(20)]
    )
    assert starts.abs().max() <= 2
    assert 0.7 < starts.std() < 1


def test_a_longer_search_lowers_the_score():
    scores = [sum(model(search_steps=steps).score_terms(ROWS).values()).mean().item() for steps in (0, 20, 200)]
    assert scores[0] > scores[1] > scores[2]


def test_scoring_does_not_change_the_weights():
    x = np.random.default_rng(0).normal(size=(200, 5))
    detector = AnoGAN(training=TrainingConfig(steps=5), search_steps=5, alpha=0.05, random_state=0).fit(x)
    before = {name: value.clone() for name, value in detector.model_.state_dict().items()}
    first = detector.anomaly_score(x[:30])
    assert np.array_equal(detector.anomaly_score(x[:30]), first)
    assert all(torch.equal(value, before[name]) for name, value in detector.model_.state_dict().items())
    assert all(p.grad is None or name.startswith(("G", "D")) for name, p in detector.model_.named_parameters())


def test_paper_recipe_builds_the_released_networks_for_mnist():
    images = paper((1, 28, 28))
    m = AnoGANModel((1, 28, 28), AnoGANSettings.model_validate(images), MemberGenerators([0])).eval()
    assert m.D.features(torch.zeros(1, 2, 1, 28, 28)).shape == (1, 2, 1024)


def test_paper_recipe_builds_the_released_networks_for_kdd99():
    m = AnoGANModel((121,), AnoGANSettings.model_validate(paper((121,))), MemberGenerators([0])).eval()
    assert [tuple(p.shape[1:]) for p in m.D.parameters() if p.shape[1] > 1] == [
        (121, 256),
        (256, 128),
        (128, 128),
        (128, 1),
    ]
    assert [tuple(p.shape[1:]) for p in m.G.parameters() if p.shape[1] > 1] == [(32, 64), (64, 128), (128, 121)]
