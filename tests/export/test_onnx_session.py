"""Sessions of exported files: nothing is computed on loading, and errors of the runtime are those of the library."""

import numpy as np
import onnx
import onnxruntime
import pytest

from egbad.errors import UnreadableFileError
from egbad.export.onnx_file import METADATA_KEY, with_digest
from egbad.export.onnx_scorer import OnnxScorer
from egbad.export.onnx_session import open_session, runtime_errors


@pytest.fixture
def written(exported, tmp_path):
    """Return a function that changes the exported model and writes it with a valid digest."""

    def write(change):
        model = onnx.load(exported[1])
        del model.metadata_props[-1]
        change(model)
        (tmp_path / "m.onnx").write_bytes(with_digest(model.SerializeToString()))
        return tmp_path / "m.onnx"

    return write


def with_a_newer_format(model):
    entry = model.metadata_props[0]
    entry.value = entry.value.replace('"format": 1', '"format": 99')


def with_metadata_twice(model):
    model.metadata_props.append(model.metadata_props[0])


def without_metadata(model):
    del model.metadata_props[:]


def with_another_input_type(model):
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def with_a_loop(model):
    model.graph.node[0].op_type = "Loop"


def with_another_weight_type(model):
    weight = next(tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT)
    weight.raw_data, weight.data_type = weight.raw_data + weight.raw_data, onnx.TensorProto.DOUBLE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_a_newer_format, "it has format 99, this release reads up to 1"),
        (with_metadata_twice, f"one entry of metadata '{METADATA_KEY}', got 2"),
        (without_metadata, f"one entry of metadata '{METADATA_KEY}', got 0"),
        (with_another_input_type, "must have one input of the type of rows"),
        (with_a_loop, "operators that egbad exports, got Loop"),
        (with_another_weight_type, "cannot be used"),
    ],
)
def test_a_changed_file_with_a_valid_digest_is_refused_in_one_sentence(written, change, message):
    with pytest.raises(UnreadableFileError, match=message) as error:
        open_session(written(change))
    assert len(str(error.value).splitlines()) == 1 and str(error.value).endswith("Export it again.")


def test_bytes_that_are_no_model_are_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(with_digest(b"no model"))
    with pytest.raises(UnreadableFileError, match="cannot be used"):
        open_session(tmp_path / "m.onnx")


def test_loading_does_not_run_the_graph(exported, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("the graph runs")

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", refuse)
    scorer = OnnxScorer(exported[1])
    with pytest.raises(UnreadableFileError, match="cannot be used: the graph runs. Export it again."):
        scorer.score_checked(np.zeros((1, 9)))


def test_loading_folds_no_constants(written):
    def with_a_large_constant(model):
        shape = onnx.numpy_helper.from_array(np.array([50_000_000]), "shape_of_zeros")
        model.graph.initializer.append(shape)
        zeros = onnx.helper.make_node("ConstantOfShape", ["shape_of_zeros"], ["zeros"])
        model.graph.node.append(zeros)
        model.graph.output.append(onnx.helper.make_tensor_value_info("term.zeros", 1, ["n"]))
        model.graph.node.append(onnx.helper.make_node("Identity", ["zeros"], ["term.zeros"]))

    with pytest.raises(UnreadableFileError, match="must compute 'term.zeros' of shape"):
        open_session(written(with_a_large_constant))


def test_errors_of_the_runtime_have_one_line():
    with (
        pytest.raises(UnreadableFileError, match="^m.onnx cannot be used: first second. Export it again.$"),
        runtime_errors("m.onnx"),
    ):
        raise RuntimeError("first\n  second.")
