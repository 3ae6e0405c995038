"""Draws are a member's own, and go on where they were."""

import pickle

import torch

from egbad.draws import Draws


def test_draws_go_on_where_a_pickle_left_them():
    draws = Draws([1, 2])
    draws.normal(3)
    again = pickle.loads(pickle.dumps(draws))
    assert torch.equal(again.normal(4), draws.normal(4))


def test_draws_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    Draws([1]).normal(10)
    assert torch.equal(before, torch.get_rng_state())
