import numpy as np
import pytest
import torch
from torch.nn.utils.parametrize import is_parametrized

from egbad.detectors.alad import ALAD, ALADModel, ALADSettings, default, pair, paper
from egbad.detectors.registry import create
from egbad.nn.generators import MemberGenerators
from egbad.training import TrainingConfig

DRAW = torch.Generator().manual_seed(0)
ROWS = torch.randn(1, 6, 5, generator=DRAW)


def model(shape=(5,), **given):
    base = default(shape) | {"n_latent": 2, "width": 8, "input_noise": 0.0, "cycle_weight": 0.0}
    return ALADModel(shape, ALADSettings.model_validate(base | given), MemberGenerators([0])).eval()


def test_images_are_paired_by_stacking_channels():
    a, b = torch.zeros(1, 2, 3, 8, 8), torch.ones(1, 2, 3, 8, 8)
    assert pair(a, b).shape == (1, 2, 6, 8, 8)
    assert torch.equal(pair(a, b)[:, :, 3:], b)
    m = model((3, 8, 8))
    assert m.D_xx.features(pair(a, b)).shape[:2] == (1, 2)


def test_losses_by_hand():
    m = model()
    z = torch.full((1, 6, 2), 0.5)
    m.sample_latent = lambda n: z
    z_hat, x_gen = m.E(ROWS), m.G(z)
    x_hat, z_cycle = m.G(z_hat), m.E(x_gen)
    p = {
        "xz": (m.D_xz(ROWS, z_hat), m.D_xz(x_gen, z)),
        "xx": (m.D_xx(torch.cat([ROWS, ROWS], 2)), m.D_xx(torch.cat([ROWS, x_hat], 2))),
        "zz": (m.D_zz(torch.cat([z, z], 2)), m.D_zz(torch.cat([z, z_cycle], 2))),
    }
    p = {name: tuple(torch.sigmoid(logit) for logit in pair) for name, pair in p.items()}
    d = sum(-(real.log() + (1 - fake).log()).mean() for real, fake in p.values())
    eg = -((1 - p["xz"][0]).log() + p["xz"][1].log()).mean() - p["xx"][1].log().mean() - p["zz"][1].log().mean()
    assert m.loss_d(ROWS).item() == pytest.approx(d.item(), rel=1e-5)
    assert m.loss_eg(ROWS).item() == pytest.approx(eg.item(), rel=1e-5)


@pytest.mark.parametrize("kind", ["fm", "l1", "l2", "logits"])
def test_scores_by_hand(kind):
    m = model(score_type=kind)
    with torch.no_grad():
        x_hat = m.G(m.E(ROWS))
        f, f_hat = m.D_xx.features(torch.cat([ROWS, ROWS], 2)), m.D_xx.features(torch.cat([ROWS, x_hat], 2))
        expected = {
            "fm": (f - f_hat).abs().sum(2),
            "l1": (ROWS - x_hat).abs().sum(2),
            "l2": ((ROWS - x_hat) ** 2).sum(2).sqrt(),
            "logits": -torch.log(torch.sigmoid(m.D_xx.logit(f_hat))),
        }[kind]
        assert torch.allclose(sum(m.score_terms(ROWS).values()), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(5,), (1, 8, 8)])
def test_spectral_norm_divides_weights_by_their_largest_singular_value(shape):
    m = model(shape, spectral_norm=True).train()
    x = torch.randn(1, 4, *shape, generator=DRAW)
    for _ in range(30):
        m.loss_d(x)
        m.loss_eg(x)
    m.eval()
    weights = [layer.weight[0].flatten(1) for layer in m.D_xx.modules() if is_parametrized(layer)]
    assert len(weights) == len([p for p in m.D_xx.parameters() if p.dim() > 3 or (p.dim() == 3 and p.shape[1] > 1)])
    assert all(torch.linalg.matrix_norm(w, ord=2).item() == pytest.approx(1, abs=0.05) for w in weights)


def test_scoring_does_not_change_the_power_iteration():
    m = model(spectral_norm=True)
    before = {name: value.clone() for name, value in m.state_dict().items()}
    m.score_terms(ROWS)
    assert all(torch.equal(value, before[name]) for name, value in m.state_dict().items())


def test_default_recipe_stops_early():
    assert ALADSettings.model_validate(default((5,))).early_stopping.criterion == "validation"


def test_paper_recipe_builds_the_released_networks_for_kdd99():
    m = ALADModel((121,), ALADSettings.model_validate(paper((121,))), MemberGenerators([0])).eval()
    layers = {
        "E": [(121, 64), (64, 32)],
        "G": [(32, 64), (64, 128), (128, 121)],
        "D_xz.x_side": [(121, 128)],
        "D_xz.z_side": [(32, 128)],
        "D_xz.body": [(256, 128)],
        "D_xx": [(242, 128), (128, 1)],
        "D_zz": [(64, 32), (32, 1)],
    }
    for name, expected in layers.items():
        weights = [p for p in m.get_submodule(name).parameters() if p.dim() == 3 and p.shape[1] > 1]
        assert [tuple(p.shape[1:]) for p in weights] == expected, name
    detector = ALAD(recipe="paper", training=TrainingConfig(epochs=2), alpha=0.1, random_state=0).fit(
        ROWS[0].repeat(40, 1).numpy()
    )
    assert np.isfinite(detector.anomaly_score(ROWS[0].numpy())).all()


def test_it_trains_without_the_discriminator_of_latents():
    x = np.random.default_rng(0).normal(size=(200, 4))
    detector = create("alad", latent_cycle=False, training__steps=20, alpha=0.1, random_state=0).fit(x)
    assert np.isfinite(detector.anomaly_score(x)).all()
