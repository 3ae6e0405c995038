"""Provenance of thresholds that were set without training."""

import pytest
from pydantic import TypeAdapter, ValidationError

from egbad.scoring.recalibration import Recalibration


@pytest.mark.parametrize("values", [(0, 1.0, 0.5), (3, 1.0, 1.5)])
def test_impossible_values_of_a_model_file_are_refused(values):
    names = ("rows", "earlier_threshold", "earlier_flagged")
    with pytest.raises(ValidationError):
        TypeAdapter(Recalibration).validate_python(dict(zip(names, values, strict=True)))
