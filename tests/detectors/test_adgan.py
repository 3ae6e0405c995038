from copy import deepcopy

import pytest
import torch

from egbad.detectors.adgan import ADGANModel, ADGANSettings, gan_default
from egbad.nn.generators import MemberGenerators


def model(shape, seeds=(0,), **given):
    base = gan_default(shape) | {"n_latent": 3, "width": 4, "n_starts": 3, "search_steps": 4}
    return ADGANModel(shape, ADGANSettings.model_validate(base | given), MemberGenerators(seeds)).eval()


@pytest.mark.parametrize("shape", [(5,), (1, 8, 8)])
def test_score_equals_the_papers_algorithm_row_by_row_and_start_by_start(shape):
    m = model(shape, weights_learning_rate=0.01)
    x = torch.randn(1, 2, *shape, generator=torch.Generator().manual_seed(0))
    scores = m.score_terms(x)["residual"][0]
    for row in range(2):
        losses = []
        for start in range(3):
            generator = deepcopy(m.G)  # every row and start has its own copy
            z = m.z_start[:, start : start + 1].clone().requires_grad_()
            optimizer = torch.optim.Adam([{"params": [z], "lr": 0.25}, {"params": generator.parameters(), "lr": 0.01}])
            for _ in range(4):
                optimizer.zero_grad()
                ((generator(z) - x[:, row : row + 1]) ** 2).mean().backward()
                optimizer.step()
            losses.append(((generator(z) - x[:, row : row + 1]) ** 2).mean().item())
        assert scores[row].item() == pytest.approx(sum(losses) / 3, rel=1e-3)


def test_copies_of_a_generator_with_batch_normalisation_have_their_members_moments():
    m = model((1, 28, 28), (0, 1), networks="mnist", n_starts=2, search_steps=2)
    generator = torch.Generator().manual_seed(0)
    for name, value in m.G.named_buffers():  # unlike those of an untrained network, different in each member
        value.copy_(1 + torch.rand(value.shape, generator=generator) * (0.1 if name.endswith("var") else -0.1))
    x = torch.rand(2, 3, 1, 28, 28, generator=generator)
    found = m.search(x)
    assert found.shape == (2, 3, 2, 1, 28, 28)
    for k in range(2):
        torch.testing.assert_close(m.member(k).search(x[k : k + 1]), found[k : k + 1], rtol=1e-4, atol=1e-5)


def test_scoring_does_not_change_the_generator():
    m = model((5,), weights_learning_rate=0.1)
    before = deepcopy(m.state_dict())
    x = torch.randn(1, 4, 5)
    first = m.score_terms(x)["residual"]
    assert torch.equal(m.score_terms(x)["residual"], first)
    assert all(torch.equal(value, before[name]) for name, value in m.state_dict().items())


def test_moving_the_weights_lowers_the_score():
    x = torch.randn(1, 4, 5, generator=torch.Generator().manual_seed(0))
    still, moved = (model((5,), weights_learning_rate=rate).score_terms(x)["residual"].mean() for rate in (0.0, 0.05))
    assert moved < still
