"""Files of exported detectors: the digest, and metadata that are refused."""

import json

import numpy as np
import onnx
import pytest

from egbad.errors import UnreadableFileError
from egbad.export.onnx_file import OnnxMetadata, decode_array, encode_array, read_content, with_digest

VALID = {
    "detector": "knn",
    "kind": "rows",
    "shape": [2],
    "columns": ["a", "b"],
    "threshold": 1.0,
    "alpha": 0.1,
    "fit_seconds": 0.0,
    "calibration": encode_array([0.5, 0.5, 1.0]),
    "description": {},
    "column_types": ["number", "category"],
    "category_labels": {"1": [[7.0, "x"]]},
}
IMAGES = {"kind": "images", "shape": [8, 8], "columns": None, "column_types": None, "category_labels": {}}


def test_the_digest_is_an_entry_of_the_metadata(exported):
    content = exported[1].read_bytes()
    entries = onnx.ModelProto.FromString(content).metadata_props
    assert [entry.key for entry in entries] == ["egbad", "egbad.sha256"]
    assert read_content(exported[1]) == content


def test_every_changed_byte_is_noticed(exported, tmp_path):
    content = exported[1].read_bytes()
    places = [
        *np.random.default_rng(0).integers(0, len(content), 200).tolist(),
        *range(len(content) - 90, len(content)),
    ]
    for at in places:
        (tmp_path / "m.onnx").write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(UnreadableFileError, match="does not match its digest|does not end with a digest"):
            read_content(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: b"", "does not end with a digest"),
        (lambda content: content[: len(content) // 2], "does not end with a digest"),
        (lambda content: content[:-82], "was not exported by egbad"),
        (lambda content: content + content[-82:], "does not match its digest"),
        (lambda content: content + b"\x00", "does not end with a digest"),
    ],
    ids=["empty", "truncated", "without digest", "with two digests", "with another byte"],
)
def test_a_damaged_file_is_reported_in_one_sentence(exported, tmp_path, damage, message):
    (tmp_path / "m.onnx").write_bytes(damage(exported[1].read_bytes()))
    with pytest.raises(UnreadableFileError, match=message) as error:
        read_content(tmp_path / "m.onnx")
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(UnreadableFileError, match="There is no file"):
        read_content(tmp_path / "no.onnx")


def test_an_appended_digest_keeps_the_model():
    model = onnx.ModelProto(ir_version=10, producer_name="x")
    read = onnx.ModelProto.FromString(with_digest(model.SerializeToString()))
    assert (read.ir_version, read.producer_name) == (10, "x")


def test_arrays_survive_encoding_bit_for_bit():
    scores = np.random.default_rng(0).normal(size=9)
    assert (decode_array(encode_array(scores)) == scores).all()
    with pytest.raises(ValueError, match="base64|Incorrect padding|characters"):
        decode_array("not base 64!")


@pytest.mark.parametrize("changes", [{}, IMAGES, IMAGES | {"pixel_scale": {"white": 255, "low": 0, "high": 1.5}}])
def test_metadata_survive_json(changes):
    metadata = OnnxMetadata.from_json(json.dumps(VALID | changes))
    assert OnnxMetadata.from_json(metadata.to_json()) == metadata


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "it has format 99, this release reads up to 1"),
        ({"format": True}, "'format' is invalid"),
        ({"kind": "sounds"}, "'kind' is invalid: Input should be 'rows' or 'images'"),
        ({"other": 1}, "'other' is invalid: Extra inputs are not permitted"),
        ({"alpha": 1.0}, "'alpha' is invalid: Input should be less than 1"),
        ({"threshold": "1"}, "'threshold' is invalid: Input should be a valid number"),
        ({"threshold": float("nan")}, "'threshold' is invalid: Input should be a finite number"),
        ({"threshold": None}, "'threshold' is invalid"),
        ({"shape": [2, 2]}, "shape must be that of rows"),
        ({"shape": [0]}, "greater than 0"),
        ({"shape": [3]}, "columns must have one entry per column, got 2"),
        ({"column_types": ["number"]}, "column_types must have one entry per column, got 1"),
        ({"column_types": ["number", "colour"]}, "There is no column type 'colour'"),
        ({"category_labels": {"0": [[1.0, "x"]]}}, "category_labels must belong to columns of categories"),
        ({"category_labels": {"-1": [[1.0, "x"]]}}, "category_labels must belong to columns of categories"),
        ({"calibration": "?"}, "'metadata' is invalid"),
        ({"calibration": ""}, "calibration scores must be finite and in ascending order"),
        ({"calibration": encode_array([1.0, 0.5])}, "calibration scores must be finite and in ascending order"),
        ({"calibration": encode_array([1.0, np.inf])}, "calibration scores must be finite and in ascending order"),
        ({"csv": {"delimiter": ";"}}, "csv must describe a dialect"),
        (
            {"tiling": {"size": 8, "overlap": 0.5, "any_size": True}},
            "pixel_scale, tiling and features must belong to images",
        ),
        ({"features": {"min_side": 8, "enough_side": None}}, "pixel_scale, tiling and features must belong to images"),
        ({"features": {"min_side": 0, "enough_side": None}}, "'features.min_side' is invalid"),
        (IMAGES | {"tiling": {"size": 8, "overlap": 1.0, "any_size": True}}, "'tiling.overlap' is invalid"),
        (IMAGES | {"pixel_scale": {"white": 255, "low": 2, "high": 1}}, "low must not be above high"),
        ({"learned_rows": {"digests": ""}}, "learned_rows must have digests and counts"),
        (
            {"learned_rows": {"digests": encode_array([2, 1], "<u8"), "counts": encode_array([9, 1, 0], "<u8")}},
            "different digests in ascending order",
        ),
        (
            {"learned_rows": {"digests": encode_array([1], "<u8"), "counts": encode_array([9, 1, 2], "<u8")}},
            "must have three counts",
        ),
    ],
)
def test_invalid_metadata_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        OnnxMetadata.from_json(json.dumps(VALID | changes))


@pytest.mark.parametrize("text", ["", "[]", "[" * 10_000, '{"format": ' + "9" * 5000 + "}"])
def test_text_that_is_no_metadata_is_refused(text):
    with pytest.raises(ValueError, match="is invalid"):
        OnnxMetadata.from_json(text)
