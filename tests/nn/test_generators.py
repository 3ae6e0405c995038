"""Tests of `egbad.nn.generators`."""

import copy
import pickle

import pytest
import torch

from egbad.nn.generators import MemberGenerators, ZeroGenerators


def test_draws_continue_after_pickling():
    generators = MemberGenerators([1, 2])
    generators.normal(3)
    again = pickle.loads(pickle.dumps(generators))
    assert torch.equal(again.normal(4), generators.normal(4))


def test_a_deep_copy_continues_with_the_same_draws():
    generators = MemberGenerators([1, 2])
    generators.normal(3)
    again = copy.deepcopy(generators)
    assert torch.equal(again.normal(4), generators.normal(4))


def test_draws_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    MemberGenerators([1]).normal(10)
    assert torch.equal(before, torch.get_rng_state())


def test_a_member_draws_the_same_numbers_alone_and_in_an_ensemble():
    ensemble, alone = MemberGenerators([1, 2]), MemberGenerators([2])
    for draw in ("normal", "uniform", "permutations"):
        assert torch.equal(getattr(ensemble, draw)(6)[1:], getattr(alone, draw)(6))


def test_split_members_share_the_generators_of_the_ensemble():
    generators, again = MemberGenerators([1, 2]), MemberGenerators([1, 2])
    drawn = torch.cat([member.normal(3) for member in generators.split_members()])
    assert torch.equal(drawn, again.normal(3))
    assert torch.equal(generators.normal(4), again.normal(4))


def test_fork_rng_restores_the_generators_also_after_an_error():
    generators, again = MemberGenerators([1, 2]), MemberGenerators([1, 2])
    with pytest.raises(ValueError, match="stop"), generators.fork_rng():
        _draw_and_raise(generators)
    assert torch.equal(generators.normal(4), again.normal(4))


def _draw_and_raise(generators):
    generators.normal(3)
    raise ValueError("stop")


def test_the_shared_device_generator_is_forked_and_leaves_the_members_generators_alone():
    generators, again = MemberGenerators([1, 2]), MemberGenerators([1, 2])
    generators.device_generator = torch.Generator().manual_seed(5)
    with generators.fork_rng():
        first = generators.normal(3)
    assert torch.equal(generators.normal(3), first)
    assert first.shape == (2, 3) and not torch.equal(first[0], first[1])
    orders = generators.permutations(50)
    assert torch.equal(orders.sort(1).values, torch.arange(50).expand(2, 50)) and not torch.equal(*orders)
    assert len(generators.in_use()) == 3 and generators.in_use()[2] is generators.device_generator
    generators.device_generator = None
    assert torch.equal(generators.normal(4), again.normal(4))


def test_on_device_changes_nothing_on_the_cpu():
    generators, again = MemberGenerators([1, 2]), MemberGenerators([1, 2])
    with generators.on_device():
        assert generators.device_generator is None
        assert torch.equal(generators.normal(4), again.normal(4))


@pytest.mark.parametrize("draw", ["normal", "uniform"])
def test_the_parts_of_a_batch_make_up_the_draw_for_the_whole_batch(draw):
    whole = MemberGenerators([1, 2])
    wanted, after = getattr(whole, draw)(6, 3), whole.uniform(5)
    parts = []
    for part in (slice(0, 3), slice(3, 6)):
        generators = MemberGenerators([1, 2])
        with generators.batch_part(part, 6):
            parts.append(getattr(generators, draw)(3, 3, per_row=True))
        assert torch.equal(generators.uniform(5), after)
    assert torch.equal(torch.cat(parts, dim=1), wanted)


def test_a_draw_that_is_not_per_row_ignores_the_part_of_the_batch():
    generators, again = MemberGenerators([1]), MemberGenerators([1])
    with generators.batch_part(slice(0, 3), 6):
        assert torch.equal(generators.normal(3, 3), again.normal(3, 3))


def test_a_draw_per_row_must_have_the_rows_of_the_part():
    generators, again = MemberGenerators([1]), MemberGenerators([1])
    with pytest.raises(ValueError, match="must have 3 rows"), generators.batch_part(slice(0, 3), 6):
        generators.normal(4, per_row=True)
    assert torch.equal(generators.normal(4, per_row=True), again.normal(4)), "the part must not outlive its context"


def test_zero_generators_draw_zeros_of_the_same_shapes():
    zeros, generators = ZeroGenerators([1, 2]), MemberGenerators([1, 2])
    for draw, shape in (("normal", (5, 3)), ("uniform", (4,)), ("permutations", (6,))):
        drawn, wanted = (getattr(one, draw)(*shape) for one in (zeros, generators))
        assert drawn.shape == wanted.shape and drawn.dtype == wanted.dtype and not drawn.any()
    assert all(isinstance(member, ZeroGenerators) for member in zeros.split_members())
