import numpy as np
import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from egbad.detectors.dagmm import (
    DAGMM,
    DAGMMModel,
    DAGMMSettings,
    default,
    energy,
    mixture,
    paper,
    reconstruction_features,
    variational_loss,
    whitening,
)
from egbad.nn.generators import MemberGenerators
from egbad.preprocessing import Preprocessing
from egbad.training import TrainingConfig

DRAW = torch.Generator().manual_seed(0)


def model(**given):
    base = default((5,)) | {"hidden": (8,), "n_components": 3}
    return DAGMMModel((5,), DAGMMSettings.model_validate(base | given), MemberGenerators([0])).eval()


def test_reconstruction_features_by_hand():
    x, x_hat = torch.tensor([[[3.0, 4.0]]]), torch.tensor([[[3.0, 0.0]]])
    assert reconstruction_features(x, x_hat).tolist() == [[[pytest.approx(0.8), pytest.approx(0.6)]]]


def test_mixture_has_the_weighted_moments():
    z = torch.randn(2, 50, 3, generator=DRAW, dtype=torch.float64)
    gamma = torch.softmax(torch.randn(2, 50, 4, generator=DRAW, dtype=torch.float64), dim=2)
    phi, mu, cov = mixture(z, gamma)
    assert torch.allclose(phi, gamma.mean(1))
    for k in range(2):
        for m in range(4):
            weights = gamma[k, :, m].numpy()
            assert np.allclose(mu[k, m], np.average(z[k].numpy(), axis=0, weights=weights))
            assert np.allclose(cov[k, m], np.cov(z[k].numpy().T, aweights=weights, ddof=0) + 1e-6 * np.eye(3))


def test_energy_equals_that_of_torch():
    phi = torch.softmax(torch.randn(2, 4, generator=DRAW, dtype=torch.float64), dim=1)
    mu = torch.randn(2, 4, 3, generator=DRAW, dtype=torch.float64)
    root = torch.randn(2, 4, 3, 3, generator=DRAW, dtype=torch.float64)
    cov = root @ root.transpose(2, 3) + 0.1 * torch.eye(3)
    z = 3 * torch.randn(2, 6, 3, generator=DRAW, dtype=torch.float64)
    for k in range(2):
        by_torch = MixtureSameFamily(Categorical(phi[k]), MultivariateNormal(mu[k], cov[k]))
        assert torch.allclose(energy(z, mu, *whitening(phi, cov))[k], -by_torch.log_prob(z[k]))


def test_energy_is_finite_far_from_the_mixture():
    far = torch.full((1, 1, 2), 1e4, dtype=torch.float64)
    eye = torch.eye(2, dtype=torch.float64).expand(1, 1, 2, 2)
    value = energy(far, torch.zeros(1, 1, 2).double(), *whitening(torch.ones(1, 1).double(), eye))
    assert value.item() == pytest.approx(1e8 + np.log(2 * np.pi))


def test_loss_is_equation_7():
    m = model(covariance_weight=0.01, dropout=0.0)
    x = torch.randn(1, 40, 5, generator=DRAW)
    x_hat, z = m.compress(x)
    phi, mu, cov = mixture(z, torch.softmax(m.estimate(z.float()).double(), dim=2))
    narrow = sum(1 / cov[0, k, j, j] for k in range(3) for j in range(4))
    expected = ((x - x_hat) ** 2).sum(2).mean() + 0.1 * energy(z, mu, *whitening(phi, cov)).mean() + 0.01 * narrow
    assert m.loss(x).item() == pytest.approx(expected.item(), rel=1e-5)


def test_mean_variational_gradient_equals_that_of_the_exact_bound():
    m = model(estimator="nvi")
    joint = torch.randn(1, 4, 3, generator=DRAW, dtype=torch.float64)
    logits = torch.randn(1, 4, 3, generator=DRAW, dtype=torch.float64).requires_grad_()
    log_gamma = torch.log_softmax(logits, dim=2)
    bound = (log_gamma.exp() * (joint - log_gamma)).sum(2).mean()
    (exact,) = torch.autograd.grad(-bound, [logits], retain_graph=True)
    n_repeats = 20_000  # one sampled component for each of them
    repeated = log_gamma.repeat(1, n_repeats, 1)
    loss = variational_loss(joint.repeat(1, n_repeats, 1), repeated, m.sample_components(repeated)).sum()
    (estimate,) = torch.autograd.grad(loss, [logits])
    assert torch.allclose(estimate, exact, atol=0.01)


def test_scores_use_the_mixture_of_all_training_rows():
    x = np.random.default_rng(0).normal(size=(600, 5))
    detector = DAGMM(
        training=TrainingConfig(steps=20),
        preprocessing=Preprocessing(drop_duplicates=False),
        alpha=0.05,
        random_state=0,
        calibration_fraction=0.5,
        device="cpu",
    ).fit(x)
    m = detector.model_
    kept = np.sort(np.random.default_rng(detector.seed_).permutation(600)[300:])
    with torch.no_grad():
        z = m.compress(m.preprocess(torch.from_numpy(detector.encoder_.encode(x[kept]))[None]))[1]
        phi, mu, cov = mixture(z.double(), m.log_memberships(z).exp())
    for actual, expected in zip((m.mu, m.inverse, m.constant), (mu, *whitening(phi, cov)), strict=True):
        assert torch.allclose(actual, expected, atol=1e-4)


def test_paper_recipe_has_the_values_of_the_paper():
    s = DAGMMSettings.model_validate(paper((121,)))
    assert (s.hidden, s.n_latent, s.n_components) == ((60, 30, 10), 1, 4)
    assert (s.training.batch_size, s.training.epochs, s.training.learning_rate) == (1024, 200, 1e-4)
    assert (s.energy_weight, s.covariance_weight, s.dropout) == (0.1, 0.005, 0.5)
    assert not s.preprocessing.range_guard


@pytest.mark.parametrize("d", [2, 3, 5, 7, 12])
@pytest.mark.parametrize("m", [1, 2, 4, 5])
def test_the_mixture_of_a_member_has_the_same_bits_alone_and_among_others(d, m):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(3, 50, d, generator=generator).double()
    gamma = torch.rand(3, 50, m, generator=generator).double().softmax(2)

    def learn(z, gamma):
        z, gamma = z.clone().requires_grad_(), gamma.clone().requires_grad_()
        phi, mu, cov = mixture(z, gamma)
        scores = energy(z, mu, *whitening(phi, cov))
        return [t.detach() for t in (phi, mu, cov)] + list(torch.autograd.grad(scores.sum(), [z, gamma]))

    for k in range(3):
        alone = learn(z[k : k + 1], gamma[k : k + 1])
        assert all(torch.equal(one[0], all_[k]) for one, all_ in zip(alone, learn(z, gamma), strict=True))
