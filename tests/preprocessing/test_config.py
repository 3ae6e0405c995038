"""Preprocessing options."""

from sklearn.base import clone

from egbad.preprocessing import Preprocessing


def test_options_are_parameters_that_can_be_cloned_and_set():
    options = Preprocessing(scaling="robust", trim_fraction=0.1)
    assert options.get_params() == {
        "scaling": "robust",
        "log_columns": None,
        "clip": None,
        "drop_duplicates": None,
        "range_guard": None,
        "trim_fraction": 0.1,
    }
    copy = clone(options).set_params(scaling="minmax")
    assert copy.scaling == "minmax" and options.scaling == "robust"
