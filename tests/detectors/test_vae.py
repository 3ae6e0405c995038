import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from egbad.detectors.vae import VAE, VAEModel, VAESettings, default, kl_to_prior, log_likelihood
from egbad.nn.generators import MemberGenerators
from egbad.training import TrainingConfig

DRAW = torch.Generator().manual_seed(0)
ROWS = torch.randn(1, 6, 5, generator=DRAW)


def model(**given):
    base = default((5,)) | {"n_latent": 2, "width": 8}
    return VAEModel((5,), VAESettings.model_validate(base | given), MemberGenerators([0])).eval()


def test_divergence_equals_that_of_torch():
    mu, log_var = torch.randn(2, 1, 4, 3, generator=DRAW)
    expected = kl_divergence(Normal(mu, (0.5 * log_var).exp()), Normal(0.0, 1.0)).sum(2)
    assert torch.allclose(kl_to_prior(mu, log_var), expected, atol=1e-5)


def test_likelihood_equals_that_of_torch():
    x, mean, raw = torch.randn(3, 1, 4, 2, 3, 3, generator=DRAW)
    var = raw.exp()
    expected = Normal(mean, var.sqrt()).log_prob(x).flatten(2).sum(2)
    assert torch.allclose(log_likelihood(x, mean, var), expected, atol=1e-3)


@pytest.mark.parametrize("kind", ["reconstruction_probability", "elbo"])
def test_score_follows_its_definition(kind):
    m = model(score_type=kind, n_latent_samples=3)
    with torch.no_grad():
        mu, log_var = m.posterior(ROWS)
        log_likelihoods = []
        for eps in m.noise[0]:
            mean, var = m.decode(mu + (0.5 * log_var).exp() * eps)
            log_likelihoods.append(Normal(mean, var.sqrt()).log_prob(ROWS).sum(2))
        expected = -sum(log_likelihoods) / 3
        if kind == "elbo":
            expected = expected + kl_divergence(Normal(mu, (0.5 * log_var).exp()), Normal(0.0, 1.0)).sum(2)
        assert torch.allclose(sum(m.score_terms(ROWS).values()), expected, atol=1e-4)


def test_variance_is_at_least_its_floor():
    m = model(variance_floor=0.25)
    assert m.decode(100 * torch.randn(1, 50, 2, generator=DRAW))[1].min() >= 0.25


def test_the_random_numbers_of_scores_are_part_of_the_model():
    x = np.random.default_rng(0).normal(size=(200, 4))
    detector = VAE(training=TrainingConfig(steps=5), alpha=0.05, random_state=0, n_latent_samples=7).fit(x)
    assert detector.model_.noise.shape == (1, 7, 2)
    assert np.array_equal(detector.anomaly_score(x), detector.anomaly_score(x))
