"""Write an exported graph into a model repository of the Triton Inference Server.

    egbad export ring.egbad --out ring.onnx
    python deploy/triton/write_repository.py ring.onnx models
    tritonserver --model-repository models

The repository holds `ring/1/model.onnx` and `ring/config.pbtxt`, which describes the inputs and outputs of the graph. The server
knows no threshold and no p-values, and it runs the graph on the rows of a request at once, so that the last
bits of a score may differ from those of egbad. `egbad serve ring.onnx` has them all.
"""

import argparse
import shutil
from pathlib import Path

import onnx

_TYPES = {
    onnx.TensorProto.DOUBLE: "TYPE_FP64",
    onnx.TensorProto.FLOAT: "TYPE_FP32",
    onnx.TensorProto.UINT8: "TYPE_UINT8",
    onnx.TensorProto.INT64: "TYPE_INT64",
    onnx.TensorProto.BOOL: "TYPE_BOOL",
}


def model_configuration(graph: onnx.GraphProto, name: str) -> str:
    """Return the configuration of a graph.

    The server joins no requests: `max_batch_size` is 0, so that the sizes are those of the graph, with -1 for any size.

    Parameters
    ----------
    graph : onnx.GraphProto
    name : str
        Name of the model.

    Returns
    -------
    str
        Text of `config.pbtxt`.
    """
    lines = [f'name: "{name}"', 'platform: "onnxruntime_onnx"', "max_batch_size: 0"]
    for kind, values in (("input", graph.input), ("output", graph.output)):
        for value in values:
            tensor = value.type.tensor_type
            sizes = ", ".join(str(axis.dim_value if axis.HasField("dim_value") else -1) for axis in tensor.shape.dim)
            lines += [
                f"{kind} {{",
                f'  name: "{value.name}"',
                f"  data_type: {_TYPES[tensor.elem_type]}",
                f"  dims: [ {sizes} ]",
                "}",
            ]
    lines += ["instance_group {", "  kind: KIND_CPU", "  count: 1", "}"]
    return "\n".join(lines) + "\n"


def write_repository(model: Path, repository: Path) -> Path:
    """Write a model into a repository, as version 1.

    Parameters
    ----------
    model : Path
        File that `egbad export` wrote.
    repository : Path
        Folder, which is made if it does not exist.

    Returns
    -------
    Path
        The configuration.
    """
    folder = repository / model.stem
    (folder / "1").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(model, folder / "1" / "model.onnx")
    configuration = folder / "config.pbtxt"
    graph = onnx.load(model, load_external_data=False).graph
    configuration.write_text(model_configuration(graph, model.stem), encoding="utf-8")
    return configuration


def main() -> None:
    """Parse the command line and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="file that 'egbad export' wrote")
    parser.add_argument("repository", type=Path, help="folder of models")
    arguments = parser.parse_args()
    print(write_repository(arguments.model, arguments.repository))


if __name__ == "__main__":
    main()
