import numpy as np
import pytest
import torch

from egbad.detectors.dsebm import DSEBMModel, DSEBMSettings, default
from egbad.detectors.registry import create
from egbad.nn.generators import MemberGenerators

ROWS = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def model(**given):
    base = default((5,)) | {"width": 4, "n_experts": 3}
    return DSEBMModel((5,), DSEBMSettings.model_validate(base | given), MemberGenerators([0, 1])).double().eval()


def test_energy_by_hand():
    m = model()
    with torch.no_grad():
        m.b += 0.5
        hidden = torch.nn.functional.softplus(ROWS @ m.experts[0].weight + m.experts[0].bias)
        top = torch.nn.functional.softplus(hidden @ m.experts[-1].weight + m.experts[-1].bias)
        expected = 0.5 * ((ROWS - 0.5) ** 2).sum(2) - top.sum(2)
        assert torch.allclose(sum(m.score_terms(ROWS).values()), expected)


def test_gradient_equals_finite_differences_of_the_energy():
    m, step = model(), 1e-6
    gradient = m.gradient(ROWS)
    for column in range(5):
        off = torch.zeros(5, dtype=torch.float64)
        off[column] = step
        with torch.no_grad():
            high, low = (sum(m.energy_terms(ROWS + sign * off).values()) for sign in (1, -1))
        assert torch.allclose(gradient[:, :, column], (high - low) / (2 * step), atol=1e-6)


def test_reconstruction_is_a_step_down_the_energy():
    m = model(score_type="reconstruction")
    with torch.no_grad():
        r = m.reconstruct(ROWS)
        assert torch.allclose(r, ROWS - m.gradient(ROWS))
        assert torch.allclose(m.score_terms(ROWS)["reconstruction"], ((ROWS - r) ** 2).sum(2))


def test_score_matching_is_the_loss_of_a_denoising_autoencoder():
    m = model(noise=0.3)
    noise = torch.randn(2, 6, 5, dtype=torch.float64)
    m.generators.normal = lambda *shape, per_row: noise
    noisy = ROWS + 0.3 * noise
    expected = ((ROWS - (noisy - m.gradient(noisy))) ** 2).sum(2).mean(1)
    assert torch.allclose(m.loss(ROWS), expected)
    m.loss(ROWS).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in m.experts[0].parameters())


def test_without_experts_every_row_is_reconstructed_as_the_centre():
    m = model()
    with torch.no_grad():
        m.experts[-1].weight.zero_()
        assert torch.allclose(m.reconstruct(ROWS), m.b.expand_as(ROWS), atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 12, 10), (3, 8, 8)])
def test_every_image_has_an_energy(shape):
    m = DSEBMModel(shape, DSEBMSettings.model_validate(default(shape)), MemberGenerators([0]))
    assert sum(m.score_terms(torch.zeros(1, 4, *shape)).values()).shape == (1, 4)


def test_the_reconstruction_error_is_explained():
    x = np.random.default_rng(0).normal(size=(300, 4)) * [1, 2, 3, 4]
    detector = create("dsebm", score_type="reconstruction", training__steps=200, alpha=0.1, random_state=0).fit(x)
    new = np.zeros((2, 4))
    new[0, 1], new[1, 3] = 20.0, -40.0
    explanation = detector.explain(new)
    assert explanation.shares.argmax(axis=1).tolist() == [1, 3]
    assert explanation.score == pytest.approx(detector.anomaly_score(new))


def test_the_paper_recipe_has_the_values_of_alads_code():
    rows, images = (create("dsebm", recipe="paper").settings_for(shape) for shape in ((121,), (3, 32, 32)))
    assert (rows.width, rows.n_experts, rows.training.learning_rate, rows.training.batch_size) == (128, 512, 1e-4, 100)
    assert (images.width, images.n_experts) == (64, 128)
    assert (images.training.learning_rate, images.training.batch_size) == (3e-3, 32)
    for s in (rows, images):
        assert (s.noise, s.training.beta1, s.training.ema_decay, s.training.learning_rate_decay) == (1, 0.9, 0, False)
        assert s.early_stopping.criterion == "none"
