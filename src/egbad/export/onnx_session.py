"""Sessions of onnxruntime for exported files, which are checked before. Needs onnx and onnxruntime."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import onnxruntime
from onnx import ModelProto, TensorProto

from egbad.errors import EgbadError, UnreadableFileError, shorten
from egbad.export.graph_check import check_graph
from egbad.export.onnx_file import METADATA_KEY, OnnxMetadata, read_content

_CHUNK_SIZE = {"rows": 256, "images": 32}
_ELEMENT_TYPES = {"rows": TensorProto.DOUBLE, "images": TensorProto.FLOAT}
_LOG_FATAL = 4  # onnxruntime's level that logs nothing else
_NO_FOLDING = ("ConstantFolding",)  # loading runs no operators; the exporter has folded all constants
_MAX_REASON = 300  # characters


def chunk_size(metadata: OnnxMetadata) -> int:
    """Return the number of rows or images that are scored together: in a fixed shape a row's result is the same in any position.

    Parameters
    ----------
    metadata : OnnxMetadata

    Returns
    -------
    int
        1 for a graph with a backbone, whose memory is that of one image for each thread.
    """
    return 1 if metadata.features is not None else _CHUNK_SIZE[metadata.kind]


def open_session(path: str | os.PathLike[str]) -> tuple[Any, OnnxMetadata]:
    """Read an exported file, check it, and make a session of its graph. The graph is not run.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    session : onnxruntime.InferenceSession
        Computes on one thread.
    metadata : OnnxMetadata

    Raises
    ------
    UnreadableFileError
        If the file is missing or damaged, was not exported by egbad, or has a newer format.
    """
    content = read_content(path)
    with runtime_errors(path):
        metadata = _checked_metadata(content)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _LOG_FATAL
        options.intra_op_num_threads = 1  # a product that is split over threads is rounded differently
        session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], disabled_optimizers=[*_NO_FOLDING]
        )
    return session, metadata


@contextmanager
def runtime_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Replace errors of onnxruntime, which have no common type, by errors of this package.

    Parameters
    ----------
    path : path-like
        The file whose graph is used in the context.

    Raises
    ------
    UnreadableFileError
        If anything else than an error of this package is raised.
    """
    try:
        yield
    except EgbadError:
        raise
    except Exception as error:  # onnx and onnxruntime raise many types, with no common base class
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UnreadableFileError(f"{path} cannot be used: {shorten(reason, _MAX_REASON)}. Export it again.") from error


def _checked_metadata(content: bytes) -> OnnxMetadata:
    """Return the metadata of a serialized model after metadata and graph have been checked."""
    model = ModelProto.FromString(content)
    entries = [entry.value for entry in model.metadata_props if entry.key == METADATA_KEY]
    if len(entries) != 1:
        raise ValueError(f"it must have one entry of metadata '{METADATA_KEY}', got {len(entries)}")
    metadata = OnnxMetadata.from_json(entries[0])
    if [value.type.tensor_type.elem_type for value in model.graph.input] != [_ELEMENT_TYPES[metadata.kind]]:
        raise ValueError(f"its graph must have one input of the type of {metadata.kind}")
    any_size = metadata.features is not None and metadata.features.min_side is not None
    check_graph(model, (chunk_size(metadata), *metadata.graph_shape), any_size=any_size)
    return metadata
