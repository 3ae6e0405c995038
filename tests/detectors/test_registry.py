import numpy as np
import pytest

from egbad.detectors.base import Detector
from egbad.detectors.blend import Blend
from egbad.detectors.knn import KNN
from egbad.detectors.methods import METHODS
from egbad.detectors.registry import all_detectors, create, load
from egbad.detectors.tiled import Tiled
from egbad.errors import InvalidInputError, UnreadableFileError
from egbad.model_file import Manifest, write


def test_all_detectors_are_the_methods_and_what_is_composed_of_them():
    assert set(all_detectors()) == {*METHODS, "blend", "tiled"}
    assert all(issubclass(detector, Detector) for detector in all_detectors().values())
    assert all(detector.name == name for name, detector in all_detectors().items())


def test_create_sets_parameters_and_nested_parameters():
    detector = create("knn", n_neighbors=3, preprocessing__scaling="minmax")
    assert isinstance(detector, KNN)
    assert (detector.n_neighbors, detector.preprocessing.scaling) == (3, "minmax")
    assert isinstance(create("tiled"), Tiled)


def test_auto_is_the_blend():
    assert isinstance(create("auto"), Blend)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("knm", {}, "There is no detector 'knm'. Did you mean 'knn'?"),
        ("knn", {"n_neighbor": 3}, "There is no parameter 'n_neighbor'. Did you mean 'n_neighbors'?"),
    ],
)
def test_create_suggests_the_closest_name(name, parameters, message):
    with pytest.raises(InvalidInputError, match=message):
        create(name, **parameters)


def test_load_returns_a_detector_of_the_class_that_was_saved(tmp_path, rows):
    detector = KNN(alpha=0.1, random_state=0).fit(rows)
    detector.save(tmp_path / "model.egbad")
    loaded = load(tmp_path / "model.egbad")
    assert isinstance(loaded, KNN)
    assert np.array_equal(loaded.anomaly_score(rows), detector.anomaly_score(rows))


def test_load_names_a_detector_that_this_release_does_not_have(tmp_path):
    write(tmp_path / "model.egbad", Manifest(library="9.9", detector="oracle", parameters={}, state={}), {})
    with pytest.raises(UnreadableFileError, match="detector 'oracle', which this release does not have"):
        load(tmp_path / "model.egbad")
