"""Content of model files: whatever does not fit the detector is named in one sentence, for every detector."""

import numpy as np
import pyarrow as pa
import pytest

from egbad.detectors.egbad import EGBAD
from egbad.detectors.knn import KNN
from egbad.detectors.registry import all_detectors, detectors_of_rows
from egbad.errors import InvalidInputError, UnreadableFileError
from egbad.preprocessing import Preprocessing
from tests.fuzz.targets.model_files import ROWS, TABLE, small

MAY_BE_MISSING = ("examples", "validation_rows", "usual.decimals", "part.usual.decimals")
MAY_BE_NAN = ("history.", "encoder.columns.fill")


@pytest.fixture(scope="module", params=detectors_of_rows())
def content(request):
    """Class, manifest and arrays of a detector that was fitted on a table of columns of all types."""
    detector_type = all_detectors()[request.param]
    guard = Preprocessing(range_guard=True)
    return detector_type, *small(detector_type, preprocessing=guard).fit(pa.table(TABLE)).content()


def refusal(content, state=None, **changed):
    """Return the message for a file with another state or other arrays; an array that is None is left out."""
    detector_type, manifest, arrays = content
    arrays = {name: array for name, array in {**arrays, **changed}.items() if array is not None}
    if state is not None:
        manifest = manifest.model_copy(update={"state": state})
    with pytest.raises(UnreadableFileError) as raised:
        detector_type.from_file(manifest, arrays, "m.egbad")
    message = str(raised.value)
    assert message.startswith(f"m.egbad does not fit {detector_type.__name__}: ")
    assert message.endswith(". Fit again.") and "\n" not in message
    return message


def arrays_of(content):
    return [(name, array) for name, array in content[2].items() if not name.endswith("history.step")]


def test_the_content_of_a_detector_is_accepted(content):
    detector_type, manifest, arrays = content
    restored = detector_type.from_file(manifest, arrays)
    assert restored.digest() == detector_type.from_file(*restored.content()).digest()


def test_numbers_that_are_not_finite_are_refused(content):
    for name, array in arrays_of(content):
        if array.dtype.kind == "f" and array.size and not any(part in name for part in MAY_BE_NAN):
            changed = np.array(array, order="C")
            changed.reshape(-1)[-1] = np.nan
            assert f"'{name}' must be finite, got nan" in refusal(content, **{name: changed})


def test_arrays_of_another_type_are_refused(content):
    for name, array in arrays_of(content):
        other = np.zeros(array.shape, np.float16)
        assert f"'{name}' must hold values of type {array.dtype}, got float16" in refusal(content, **{name: other})


def test_arrays_of_another_shape_are_refused(content):
    for name, array in arrays_of(content):
        assert f"'{name}' must have " in refusal(content, **{name: array[None, None]})


def test_missing_arrays_are_refused(content):
    for name, _ in arrays_of(content):
        if not name.endswith(MAY_BE_MISSING) and "history." not in name:
            assert f"'{name}' is missing" in refusal(content, **{name: None})


@pytest.mark.parametrize(
    "name", ["other", "other.rows", "calibration.x", "encoder.other", "guard.other", "usual.other"]
)
def test_unknown_arrays_are_refused(content, name):
    assert f"'{name}' is not an array that such a model has" in refusal(content, **{name: np.ones(2)})


def test_unknown_and_missing_entries_of_the_state_are_refused(content):
    state = content[1].state
    assert "'state.other' is invalid: extra inputs are not permitted, got 1" in refusal(content, {**state, "other": 1})
    for name in (
        "kind",
        "shape",
        "columns",
        "settings",
        "seed",
        "n_train",
        "threshold",
        "fit_seconds",
        "versions",
        "method",
    ):
        left = {key: value for key, value in state.items() if key != name}
        assert f"'state.{name}' is invalid: field required" in refusal(content, left)
    method = state["method"] | {"other": 1}
    assert "'state.method" in refusal(content, state | {"method": method})


@pytest.mark.parametrize("value", [None, True, "x", -1, [], {"x": 1}, float("nan")], ids=str)
def test_entries_of_another_type_are_refused(content, value):
    state = content[1].state
    allowed = {
        "normal_label": (None, "x"),
        "pixel_scale": (None,),
        "recalibration": (None,),
        "csv": (None,),
        "roles": (None,),
        "threshold": (-1,),
    }
    for name in state:
        if value not in allowed.get(name, ()) and not (name == "versions" and value == {"x": 1}):
            if name in ("columns", "column_types") and value is None:
                continue
            assert f"'state.{name}" in refusal(content, state | {name: value})


# -- entries that must fit each other ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def knn():
    return KNN, *KNN(alpha=0.4, random_state=0).fit(pa.table(TABLE)).content()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [4]}, "'state.columns' must have an entry for each of 4 columns, got 5"),
        ({"shape": [5, 5]}, "'state.shape' must be a shape of rows, got (5, 5)"),
        ({"kind": "images"}, "'state.shape' must be a shape of images, got (5,)"),
        ({"column_types": ["number"] * 5}, "'state.category_labels' must hold positions of categories, got '2'"),
        ({"column_types": ["number"] * 4 + ["colour"]}, "There is no column type 'colour'"),
        ({"category_labels": {"2": []}}, "'state.category_labels.2' must hold the label of each level of the column"),
        ({"category_labels": {"9": []}}, "'state.category_labels' must hold positions of categories, got '9'"),
        ({"pixel_scale": {"white": 255.0, "low": 0.0, "high": 1.0}}, "'state.pixel_scale' must be a scale of rows"),
        ({"csv": {"delimiter": 5}}, "'state.csv.delimiter' is invalid: input should be a valid string, got 5"),
        ({"threshold": float("nan")}, "'state.threshold' is invalid: must be a number, got nan"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(map(str, value)),
)
def test_entries_that_do_not_fit_each_other_are_refused(knn, change, message):
    assert message in refusal(knn, knn[1].state | change)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("encoder.span", lambda a: a * 0, "must be at least 1e-290"),
        ("encoder.columns.types", lambda a: a * 0, "must be those of the columns"),
        ("encoder.columns.levels_sizes", lambda a: a * 2, "must add up to 3, got 6"),
        ("encoder.columns.fill", lambda a: a + np.inf, "must be finite or nan"),
        ("calibration", lambda a: a[::-1], "must be in ascending order"),
        ("rows.digests", lambda a: a[::-1], "must be in ascending order"),
        ("rows.counts", lambda a: a[::-1], "must fit the digests"),
        ("usual.ranks", lambda a: a * 0, "must be at least 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_that_a_detector_never_learns_are_refused(knn, name, change, message):
    assert f"'{name}' {message}" in refusal(knn, **{name: change(knn[2][name])})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_neighbours": 3}, "'parameters.n_neighbours' is invalid: extra inputs are not permitted, got 3"),
        ({"n_neighbors": "many"}, "'parameters.n_neighbors' is invalid: input should be a valid integer"),
        (
            {"preprocessing": {"scaling": 3}},
            "'parameters.preprocessing.scaling' is invalid: input should be a valid string",
        ),
        ({"alpha": 1.5}, "alpha must be in (0, 1), got 1.5"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_parameters_that_the_detector_does_not_have_are_refused(knn, parameters, message):
    detector_type, manifest, arrays = knn
    changed = manifest.model_copy(update={"parameters": manifest.parameters | parameters})
    assert message in refusal((detector_type, changed, arrays))


@pytest.mark.parametrize("width", [5, 10**9, 10**400], ids=["5", "10^9", "10^400"])
def test_networks_of_other_sizes_are_refused_before_they_are_built(width):
    manifest, arrays = small(EGBAD).fit(ROWS).content()
    settings = manifest.state["settings"] | {"width": width}
    message = refusal((EGBAD, manifest, arrays), manifest.state | {"settings": settings})
    assert "must have shape" in message or "'state.settings' must describe networks that can be built" in message


@pytest.mark.parametrize("n_members", [2, 10**5])
def test_seeds_without_weights_are_refused(n_members):
    manifest, arrays = small(EGBAD).fit(ROWS).content()
    method = manifest.state["method"] | {"seeds": [0] * n_members}
    message = refusal((EGBAD, manifest, arrays), manifest.state | {"method": method})
    assert f"must have an entry for each of {n_members} members, got shape (1, " in message


def test_scores_that_are_not_numbers_are_an_error():
    manifest, arrays = small(EGBAD).fit(ROWS).content()
    largest = np.finfo(np.float32).max
    weights = {name: np.full_like(array, largest) for name, array in arrays.items() if name.startswith("model.")}
    detector = EGBAD.from_file(manifest, arrays | weights)
    with pytest.raises(InvalidInputError, match="Scores must be numbers, got nan for row 0 in the term"):
        detector.anomaly_score(ROWS)
