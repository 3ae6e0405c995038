"""A user's network for all members: the same bits as alone, buffers of each member, random numbers of each member."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from egbad.errors import InvalidInputError
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import without_tracking
from egbad.nn.own_networks import MemberDiscriminator, MemberModules


class Counting(nn.Module):
    """A layer with a buffer that is assigned anew, one that all members share, and a weight that is used twice."""

    def __init__(self, scale=2.0):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.register_buffer("n_calls", torch.zeros(()))
        self.register_buffer("scale", torch.tensor(scale), persistent=False)

    def forward(self, x):
        if self.training:
            self.n_calls = self.n_calls + 1
        return self.scale * self.second(self.first(x))


def dense():
    return nn.Sequential(nn.Linear(7, 37), nn.BatchNorm1d(37), nn.ReLU(), nn.Dropout(0.3), nn.Linear(37, 3))


def convolutional():
    return nn.Sequential(
        nn.Conv2d(1, 5, 3, stride=2), nn.BatchNorm2d(5), nn.ReLU(), nn.Dropout2d(0.3), nn.Flatten(), nn.Linear(45, 3)
    )


def members_of(build, seeds, shape=(7,)):
    """Return networks of members whose weights come from their seeds."""
    modules = []
    for seed in seeds:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            modules.append(build())
    return MemberModules(modules, MemberGenerators(seeds), shape)


def inputs(members, *shape):
    return torch.randn(members, *shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("build", "shape"), [(dense, (7,)), (convolutional, (1, 7, 7))], ids=["rows", "images"])
@pytest.mark.parametrize("n", [32, 33])
def test_each_member_has_the_same_bits_alone_in_training_and_in_scoring(build, shape, n):
    seeds, x = [3, 4, 5], inputs(3, n, *shape)
    together = members_of(build, seeds, shape)
    outputs = {}
    for training in (True, False):
        together.train(training)
        outputs[training] = together(x)
    gradients = torch.autograd.grad(outputs[True].square().sum(), [*together.parameters()])
    assert not torch.equal(*(outputs[True][k] for k in (0, 1)))
    for k, seed in enumerate(seeds):
        alone = members_of(build, [seed], shape)
        trained = alone.train()(x[k : k + 1])
        assert torch.equal(trained[0], outputs[True][k])
        own = torch.autograd.grad(trained.square().sum(), [*alone.parameters()])
        assert all(torch.equal(a[0], b[k]) for a, b in zip(own, gradients, strict=True))
        assert torch.equal(alone.eval()(x[k : k + 1])[0], outputs[False][k])
        for name, value in alone.state_dict().items():
            assert torch.equal(value[0], together.state_dict()[name][k]), name


def test_a_member_computes_what_its_network_does():
    x, module = inputs(1, 8, 7), dense().eval()
    assert torch.equal(MemberModules([module], MemberGenerators([0]), (7,)).eval()(x)[0], module(x[0]))


def test_names_are_those_of_the_network():
    own = members_of(dense, [0, 1])
    assert [name.removeprefix("weights.") for name in own.state_dict()] == [*dense().state_dict()]
    assert own.state_dict()["weights.1.running_var"].shape == (2, 37)
    assert own.value_limits == {"weights.1.running_var": (0.0, float("inf"))}


def test_padded_rows_are_cut():
    own = members_of(dense, [0, 1]).eval()
    x = inputs(2, 8, 7)
    assert torch.equal(own(nn.functional.pad(x, (0, 9))), own(x))


def test_batch_normalisation_tracks_moments_in_training_unless_it_must_not():
    own, x = members_of(dense, [0, 1]), inputs(2, 32, 7)
    start = copy.deepcopy(own.state_dict())
    with without_tracking(own):
        own.train()(x)
    own.eval()(x)
    assert all(torch.equal(value, start[name]) for name, value in own.state_dict().items())
    own.train()(x)
    mean, count = (own.state_dict()[f"weights.1.{name}"] for name in ("running_mean", "num_batches_tracked"))
    assert not torch.equal(mean, start["weights.1.running_mean"]) and not torch.equal(mean[0], mean[1])
    assert count.tolist() == [1, 1]


def test_buffers_that_are_assigned_anew_are_kept_and_shared_ones_stay_shared():
    own, x = members_of(Counting, [0, 1], (3,)), inputs(2, 4, 3)
    for _ in range(3):
        own.train()(x)
    own.eval()(x)
    assert own.state_dict()["weights.n_calls"].tolist() == [3, 3]
    assert "weights.scale" not in own.state_dict() and own.get_buffer("weights.scale").item() == 2.0
    scales = iter((1.0, 2.0))
    with pytest.raises(
        InvalidInputError, match="Buffers of networks that differ by member must be persistent, 'scale' is"
    ):
        members_of(lambda: Counting(next(scales)), [0, 1], (3,))


def test_a_weight_that_is_used_twice_stays_one():
    own = members_of(Counting, [0, 1], (3,))
    assert [name for name, _ in own.named_parameters()] == [
        "weights.first.weight", "weights.first.bias", "weights.second.bias"
    ]  # fmt: skip
    module = members_of(Counting, [1], (3,)).eval()
    x = inputs(2, 4, 3)
    assert torch.equal(own.eval()(x)[1], module(x[1:])[0])


def test_dropout_draws_from_the_members_generator_alone():
    x = inputs(2, 16, 7)
    state = torch.get_rng_state()
    own, again = members_of(dense, [0, 1]), members_of(dense, [0, 1])
    first, second = own.train()(x), own(x)
    assert not torch.equal(first, second)
    assert torch.equal(again.train()(x), first)
    assert torch.equal(torch.get_rng_state(), state)


def test_several_threads_score_at_once_with_the_same_bits():
    own, x = members_of(dense, [0, 1, 2]).eval(), inputs(3, 64, 7)
    expected = own(x)
    with ThreadPoolExecutor(4) as pool, torch.no_grad():
        results = [*pool.map(lambda _: own(x), range(60))]
    assert all(torch.equal(result, expected) for result in results)


def test_copies_are_independent():
    own, x = members_of(dense, [0, 1]).eval(), inputs(2, 8, 7)
    expected = own(x)
    copies = [copy.deepcopy(own), pickle.loads(pickle.dumps(own))]
    with torch.no_grad():
        for value in own.parameters():
            value.zero_()
    assert all(torch.equal(copied(x), expected) for copied in copies) and not own(x).any()


def test_networks_of_different_structure_are_refused():
    sizes = iter((3, 4))
    with pytest.raises(InvalidInputError, match="networks of one structure at every call, 'weight' differs"):
        members_of(lambda: nn.Linear(7, next(sizes)), [0, 1])


class Pairs(nn.Module):
    def __init__(self, returns_features):
        super().__init__()
        self.returns_features = returns_features
        self.hidden, self.out = nn.Linear(5, 4), nn.Linear(4, 1)

    def forward(self, x, z):
        f = self.hidden(torch.cat([x, z], 1))
        return (self.out(f), f) if self.returns_features else self.out(f)[:, 0]


def test_a_discriminator_gives_logits_and_what_the_score_reads():
    x, z = inputs(2, 6, 3), inputs(2, 6, 2)
    modules = [Pairs(True), Pairs(True)]
    own = MemberDiscriminator(modules, MemberGenerators([0, 1]), (3,), 4).eval()
    assert torch.equal(own(x, z)[1], modules[1](x[1], z[1])[0][:, 0])
    f, f_hat = own.features_of_both(x, x + 1, z)
    assert torch.equal(f[1], modules[1](x[1], z[1])[1]) and torch.equal(f_hat, own.features(x + 1, z))
    assert own.n_features == 4
    modules = [Pairs(False)]
    own = MemberDiscriminator(modules, MemberGenerators([0]), (3,), None).eval()
    assert own.n_features == 1 and own.features(x[:1], z[:1]).shape == (1, 6, 1)
    assert torch.equal(own.logit(own.features(x[:1], z[:1])), own(x[:1], z[:1]))
