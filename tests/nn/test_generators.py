"""Draws are a member's own, and go on where they were."""

import pickle

import torch

from egbad.nn.generators import MemberGenerators


def test_draws_go_on_where_a_pickle_left_them():
    generators = MemberGenerators([1, 2])
    generators.normal(3)
    again = pickle.loads(pickle.dumps(generators))
    assert torch.equal(again.normal(4), generators.normal(4))


def test_draws_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    MemberGenerators([1]).normal(10)
    assert torch.equal(before, torch.get_rng_state())
