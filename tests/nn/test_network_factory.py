"""Networks of a user's factory: built for each member, and checked."""

import numpy as np
import pytest
import torch
from torch import nn

from egbad.errors import InvalidInputError
from egbad.nn.generators import MemberGenerators, ZeroGenerators
from egbad.nn.network_factory import build_own_networks


class Pairs(nn.Module):
    """A discriminator; `returns` makes its output of logits (n, 1) and features (n, 4)."""

    def __init__(self, d, k, returns):
        super().__init__()
        self.hidden, self.out, self.returns = nn.Linear(d + k, 4), nn.Linear(4, 1), returns

    def forward(self, x, z):
        f = self.hidden(torch.cat([x, z], 1))
        return self.returns(self.out(f), f)


def both(logits, f):
    return logits, f


def networks(shape, n_latent, returns=both):
    (d,) = shape
    return nn.Linear(d, n_latent), nn.Linear(n_latent, d), Pairs(d, n_latent, returns)


def build(factory, generators=None, **options):
    return build_own_networks(
        factory, (5,), 2, generators or MemberGenerators([3, 4]), **{"reads_features": True} | options
    )


def test_each_member_has_weights_of_its_own_seed_and_global_state_is_untouched():
    state = torch.get_rng_state(), np.random.get_state()[1].copy()
    two, again, one = build(networks), build(networks), build(networks, MemberGenerators([4]))
    assert torch.equal(torch.get_rng_state(), state[0]) and np.array_equal(np.random.get_state()[1], state[1])
    for own, same, alone in zip(two, again, one, strict=True):
        for name, value in own.state_dict().items():
            assert torch.equal(value, same.state_dict()[name])
            assert torch.equal(value[1:], alone.state_dict()[name]) and not torch.equal(value[0], value[1])


def test_networks_whose_weights_are_loaded_are_built_once():
    calls = []

    def counted(shape, n_latent):
        calls.append((shape, n_latent))
        return networks(shape, n_latent)

    own = build(counted, ZeroGenerators([3, 4, 5]))
    assert calls == [((5,), 2)] and own.E.state_dict()["weights.weight"].shape == (3, 2, 5)


def test_modules_of_the_user_are_copied():
    modules = networks((5,), 2)
    own = build(lambda shape, n_latent: modules)
    with torch.no_grad():
        for value in own.E.parameters():
            value.zero_()
    assert all(module.training for module in modules) and modules[0].weight.any()


def test_double_precision_is_converted_and_lazy_layers_get_their_sizes():
    def factory(shape, n_latent):
        _, g, d = networks(shape, n_latent)
        return nn.Sequential(nn.LazyLinear(6), nn.Linear(6, n_latent)), g.double(), d

    own = build(factory)
    assert own.G.state_dict()["weights.weight"].dtype is torch.float32
    assert own.E.state_dict()["weights.0.weight"].shape == (2, 6, 5)


def test_features_are_needed_only_where_the_score_reads_them():
    def factory(shape, n_latent):
        return networks(shape, n_latent, lambda logits, f: logits[:, 0])

    assert build(factory, reads_features=False).D.n_features == 1
    with pytest.raises(InvalidInputError, match="'fm' compares features of D.*discriminator_loss='sigma' or 'memory'"):
        build(factory)


def _with(i, module):
    """Return a factory with another network at place i."""
    return lambda shape, n_latent: [*networks(shape, n_latent)[:i], module, *networks(shape, n_latent)[i + 1 :]]


def _returning(returns):
    return lambda shape, n_latent: networks(shape, n_latent, returns)


def _failing(shape, n_latent):
    raise ValueError("no such\nsize.")


class Noisy(nn.Linear):
    def forward(self, x):
        return super().forward(x) + torch.rand(len(x), 1)


class Half(nn.Linear):
    """Has a layer that it does not use."""

    def __init__(self, a, b):
        super().__init__(a, b)
        self.unused = nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (_failing, r"networks\(\(5,\), 2\) must return E, G and D, but raised ValueError: no such size."),
        (lambda shape, n_latent: 5, "must return three torch modules E, G and D, got int."),
        (lambda shape, n_latent: networks(shape, n_latent)[:2], "E, G and D, got Linear, Linear."),
        (lambda shape, n_latent: (1, 2, 3), "must return three torch modules E, G and D, got int, int, int."),
        (lambda shape: None, "but raised TypeError: .* takes 1 positional argument but 2 were given"),
        (_with(0, nn.Linear(5, 3)), r"E of networks must map x \(n, 5\) to z \(n, 2\), in float32, but returned the shape "
                                    r"\(2, 3\) for 2 rows"),
        (_with(0, nn.Linear(4, 2)), "E of networks must map .* but raised RuntimeError: mat1 and mat2"),
        (_with(1, nn.Linear(2, 4)), r"G of networks must map z \(n, 2\) to x \(n, 5\), in float32, but returned the shape"),
        (_with(0, Noisy(5, 2)), "E of networks must give the same output at every call in evaluation mode"),
        (_with(1, Half(2, 5)), "G of networks must depend on all its parameters, got 'unused.weight' without effect."),
        (_with(1, Half(2, 5).requires_grad_(False)), "G of networks must have parameters that are trained, got none"),
        (_returning(lambda logits, f: f), r"D of networks must map x \(n, 5\) and z \(n, 2\) to logits .* shape \(2, 4\)"),
        (_returning(lambda logits, f: (logits, f, f)), r"but returned a tuple of the shape \(2, 1\), the shape \(2, 4\), the"),
        (_returning(lambda logits, f: (logits, f[0])), r"features \(n, m\), in float32, but returned a tuple of the shape"),
        (_returning(lambda logits, f: {"logits": logits}), "but returned a dict for 2 rows"),
        (_returning(lambda logits, f: logits.double()), r"the shape \(2, 1\) and type float64 for 2 rows"),
        (_returning(lambda logits, f: []), "but returned a list of nothing for 2 rows"),
    ],
)  # fmt: skip
def test_networks_that_do_not_fit_are_refused_in_one_sentence(factory, message):
    with pytest.raises(InvalidInputError, match=message) as raised:
        build(factory)
    assert "\n" not in str(raised.value)
