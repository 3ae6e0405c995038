import numpy as np
import pytest

from egbad.detectors.blend_parts import PARTS, combine, default, nearest, part_named


def test_a_method_is_a_part_with_its_default_parameters():
    assert (part_named("lof").detector, part_named("lof").parameters, part_named("lof").weight) == ("lof", {}, 1.0)


def test_default_parts_have_definitions_of_their_own():
    for shape in ((5,), (1, 8, 8), (3, 32, 32)):
        for recipe in (default, nearest):
            assert set(recipe(shape)["parts"]) <= {*PARTS, "contrastive"}


@pytest.mark.parametrize(("combination", "expected"), [("mean", 3.75), ("root_mean_square", np.sqrt(14.25))])
def test_terms_add_up_to_the_weighted_mean_or_root_mean_square(combination, expected):
    terms = combine({"a": np.array([3.0]), "b": np.array([4.0])}, {"a": 1.0, "b": 3.0}, combination)
    assert sum(terms.values()) == pytest.approx([expected])


def test_terms_of_zeros_are_zero():
    terms = combine({"a": np.zeros(2), "b": np.zeros(2)}, {"a": 1.0, "b": 3.0}, "root_mean_square")
    assert all(np.array_equal(term, np.zeros(2)) for term in terms.values())
