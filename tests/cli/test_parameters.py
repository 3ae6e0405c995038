"""Detectors from names, options and settings."""

import json

import pytest

from egbad.cli.parameters import create_detector, parse_parameters, parse_settings
from egbad.detectors.registry import all_detectors
from egbad.errors import InvalidInputError


def test_settings_are_names_and_texts():
    assert parse_settings(["a=1", "b.c = [1,2]", "d=x=y"]) == {"a": "1", "b.c": "[1,2]", "d": "x=y"}
    for pair in ("steps", "=3"):
        with pytest.raises(InvalidInputError, match="NAME=VALUE"):
            parse_settings([pair])


def test_values_have_the_types_of_the_parameters():
    settings = ["training.learning_rate=1e-3", "training.steps=50", "members=3", "preprocessing.drop_duplicates=false"]
    detector = create_detector("egbad", [*settings, "recipe=paper", "n_latent=null"])
    assert detector.training.learning_rate == 0.001
    assert (detector.training.steps, detector.members, detector.n_latent) == (50, 3, None)
    assert detector.preprocessing.drop_duplicates is False
    assert detector.recipe == "paper"


def test_a_whole_number_is_a_number_and_a_text_may_look_like_one():
    assert parse_parameters("egbad", ["training.learning_rate=1"]) == {"training__learning_rate": 1.0}
    assert parse_parameters("egbad", ["distance=1"]) == {"distance": "1"}
    assert parse_parameters("knn", ['preprocessing.log_columns=[0, "a"]']) == {"preprocessing__log_columns": [0, "a"]}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("members=two", 'members must be a whole number, got "two".'),
        ("members=1.5", "members must be a whole number, got 1.5."),
        ("training.learning_rate=fast", 'training.learning_rate must be a number or null, got "fast".'),
        ("training.learning_rate_decay=1", "training.learning_rate_decay must be true or false or null, got 1."),
        ("steps=3", "The detector 'egbad' has no parameter 'steps'. Did you mean 'training.steps'?"),
        ("training.setps=3", "The detector 'egbad' has no parameter 'training.setps'. Did you mean 'training.steps'?"),
        ("steps=3", "has no parameter 'steps'."),
        ("training=3", "has no parameter 'training'."),
    ],
)
def test_wrong_settings_are_described(setting, message):
    with pytest.raises(InvalidInputError) as caught:
        create_detector("egbad", [setting])
    assert message in str(caught.value)


def test_options_override_settings_and_must_exist():
    detector = create_detector("egbad", ["members=2", "alpha=0.2"], {"members": 3, "alpha": None})
    assert (detector.members, detector.alpha) == (3, 0.2)
    with pytest.raises(InvalidInputError, match="The detector 'knn' has no parameter 'members'"):
        create_detector("knn", None, {"members": 3})


@pytest.mark.parametrize("name", list(all_detectors()))
def test_every_parameter_of_every_detector_can_be_set_to_its_default(name):
    detector = all_detectors()[name]()
    for parameter, value in detector.get_params().items():
        if parameter not in detector.parameter_groups and isinstance(value, str | int | float | None):
            text = value if isinstance(value, str) else json.dumps(value)
            assert parse_parameters(name, [f"{parameter.replace('__', '.')}={text}"]) == {parameter: value}


def test_auto_is_the_blend():
    assert create_detector("auto").name == "blend"


def test_tiles_are_learned_by_the_detector_and_images_have_alpha():
    settings = ["training.steps=5", "overlap=0.25", "preprocessing.scaling=minmax"]
    tiled = create_detector("egbad", settings, {"members": 2, "alpha": 0.05, "random_state": 3}, tile_size=16)
    assert (tiled.name, tiled.detector, tiled.tile_size, tiled.overlap) == ("tiled", "egbad", 16, 0.25)
    assert (tiled.alpha, tiled.random_state) == (0.05, 3)
    expected = {"training__steps": 5, "preprocessing__scaling": "minmax", "members": 2}
    assert tiled.detector_params == expected
    with pytest.raises(InvalidInputError, match="Did you mean 'training.steps'?"):
        create_detector("egbad", ["training.step=5"], tile_size=16)
