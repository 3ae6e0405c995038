import subprocess
import sys

import pytest

from egbad import detectors
from egbad.detectors.base import Detector
from egbad.detectors.methods import CLASS_NAMES, METHODS


def test_every_method_is_in_a_module_of_its_name():
    assert list(METHODS) == list(CLASS_NAMES) and len(METHODS) == len(CLASS_NAMES)
    for name, method in METHODS.items():
        assert issubclass(method, Detector)
        assert (method.name, method.__module__) == (name, f"egbad.detectors.{name}")


def test_every_method_can_be_imported_from_the_package():
    assert set(CLASS_NAMES.values()) <= set(detectors.__all__) & set(dir(detectors))
    assert all(getattr(detectors, class_name) is METHODS[name] for name, class_name in CLASS_NAMES.items())
    with pytest.raises(AttributeError, match="no attribute 'KNM'"):
        detectors.KNM  # noqa: B018


def test_unknown_names_are_not_in_the_mapping():
    assert "knm" not in METHODS and METHODS.get("knm") is None
    with pytest.raises(KeyError):
        METHODS["knm"]


def test_using_one_method_imports_no_other():
    code = (
        "import sys; from egbad.detectors.methods import METHODS; METHODS['knn'];"
        "print(sorted(m for m in METHODS if f'egbad.detectors.{m}' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "['knn']"
