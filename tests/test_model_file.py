"""Model files: every damage is reported in one sentence, and a failed write keeps the old file."""

import errno
import json
import os
import pickle
import re

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from egbad import EGBAD
from egbad import load as load_model
from egbad.errors import EgbadError, InvalidInputError, UnreadableFileError
from egbad.model_file import FORMAT, Manifest, read, write
from egbad.training import TrainingConfig

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([1, 2], dtype=np.int64)}


def manifest(**given):
    return Manifest(library="0", detector="egbad", parameters={}, state={}, **given)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.egbad"
    write(path, manifest(), ARRAYS)
    return path


def rewrite(path, change, arrays=None):
    """Change the manifest as a forger would, leaving the rest as it is."""
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    fields = json.loads(header["__metadata__"]["egbad"])
    change(fields)
    path.write_bytes(save(arrays or load(content), metadata={"egbad": json.dumps(fields)}))


def test_a_written_file_is_read_back(model):
    found, arrays = read(model)
    assert found.format == FORMAT
    assert found.shapes == {"a": [2, 3], "b": [2]}
    assert all(
        np.array_equal(arrays[name], ARRAYS[name]) and arrays[name].dtype == ARRAYS[name].dtype for name in ARRAYS
    )


def test_every_truncation_is_reported(model):
    content = model.read_bytes()
    for size in range(len(content)):
        model.write_bytes(content[:size])
        with pytest.raises(UnreadableFileError, match=r"is not an egbad model|is truncated"):
            read(model)


def test_every_changed_byte_is_detected(model):
    content = model.read_bytes()
    for place in range(len(content)):
        model.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(UnreadableFileError):
            read(model)


def test_a_newer_format_asks_for_an_upgrade(model):
    rewrite(model, lambda fields: fields.update(format=FORMAT + 2))
    with pytest.raises(
        UnreadableFileError, match=f"has format {FORMAT + 2}, this release reads up to {FORMAT}. Upgrade"
    ):
        read(model)


@pytest.mark.parametrize("version", [-1, 0, True, 1.0, "1", None, [1]])
def test_a_format_that_never_was_is_refused(model, version):
    rewrite(model, lambda fields: fields.update(format=version))
    with pytest.raises(UnreadableFileError, match=f"has format {re.escape(repr(version))}, this release reads up to"):
        read(model)


@pytest.mark.parametrize("depth", [100, 100_000])
def test_a_manifest_of_many_levels_is_refused(model, depth):
    content = model.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    text = header["__metadata__"]["egbad"].replace('"state":{}', '"state":' + '{"a":' * depth + "0" + "}" * depth)
    model.write_bytes(save(load(content), metadata={"egbad": text}))
    with pytest.raises(UnreadableFileError, match="is not an egbad model"):
        read(model)


@pytest.mark.parametrize(
    "entry", [5, {}, {"data_offsets": []}, {"data_offsets": [0, "x"]}, {"data_offsets": [0, None]}]
)
def test_a_header_of_another_structure_is_not_a_model(model, entry):
    header = json.dumps({"__metadata__": {"egbad": manifest().model_dump_json()}, "a": entry}).encode()
    model.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(UnreadableFileError, match="is not an egbad model"):
        read(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"detector": 1}, "'detector' is invalid: input should be a valid string, got 1. Fit again."),
        ({"extra": 1}, "'extra' is invalid: extra inputs are not permitted, got 1. Fit again."),
        ({"shapes": {"a": [2.5]}}, "'shapes.a.0' is invalid: input should be a valid integer, got 2.5. Fit again."),
        ({"shapes": {"b": [2]}}, "'a' must have shape None, got [2, 3]. Fit again."),
        ({"state": []}, "'state' is invalid: input should be an object, got []. Fit again."),
    ],
    ids=lambda value: "" if isinstance(value, str) else json.dumps(value),
)
def test_an_invalid_field_of_the_manifest_is_named(model, change, message):
    rewrite(model, lambda fields: fields.update(change))
    with pytest.raises(UnreadableFileError) as raised:
        read(model)
    assert str(raised.value) == f"{model} is damaged: {message}"


def test_a_missing_field_of_the_manifest_is_named(model):
    rewrite(model, lambda fields: fields.pop("library"))
    with pytest.raises(UnreadableFileError, match=r"damaged: 'library' is invalid: field required\. Fit again"):
        read(model)


def test_an_array_of_the_wrong_shape_is_named(model):
    rewrite(model, lambda fields: None, ARRAYS | {"a": np.arange(6.0)})
    with pytest.raises(UnreadableFileError, match=r"'a' must have shape \[2, 3\], got \[6\]"):
        read(model)


def test_a_wrong_digest_is_named(model):
    rewrite(model, lambda fields: None, ARRAYS | {"a": ARRAYS["a"] + 1})
    with pytest.raises(UnreadableFileError, match="does not match its digest"):
        read(model)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 a zip, perhaps", pickle.dumps({"a": 1}), save({"x": np.ones(3)})]
)
def test_a_file_of_another_kind_is_not_a_model(tmp_path, content):
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match="is not an egbad model"):
        read(path)


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(UnreadableFileError, match="cannot be read: No such file"):
        read(tmp_path / "nowhere.egbad")


def test_an_unknown_detector_is_named(model):
    write(model, manifest().model_copy(update={"detector": "crystal ball"}), ARRAYS)
    with pytest.raises(UnreadableFileError, match="'crystal ball', which this release does not have"):
        load_model(model)


def test_values_that_do_not_fit_the_detector_are_named(tmp_path):
    path = tmp_path / "model.egbad"
    EGBAD(training=TrainingConfig(steps=2), random_state=0, alpha=0.3).fit(
        np.random.default_rng(0).normal(size=(50, 4))
    ).save(path)
    found, arrays = read(path)
    name = next(n for n in arrays if n.endswith("0.weight"))
    write(path, found, arrays | {name: arrays[name][:, :-1]})
    with pytest.raises(UnreadableFileError, match="must have shape"):
        load_model(path)
    write(path, found.model_copy(update={"parameters": found.parameters | {"n_latent": -1}}), arrays)
    with pytest.raises(UnreadableFileError, match="n_latent"):
        load_model(path)
    settings = found.state["settings"] | {"n_latent": -1}
    write(path, found.model_copy(update={"state": found.state | {"settings": settings}}), arrays)
    with pytest.raises(UnreadableFileError, match="n_latent"):
        load_model(path)
    write(path, found.model_copy(update={"state": {}}), arrays)
    with pytest.raises(UnreadableFileError, match="does not fit"):
        load_model(path)


def test_a_full_disk_keeps_the_old_file(model, monkeypatch):
    before = model.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EgbadError, match=r"cannot be written: No space left on device. The existing file is unchanged"):
        write(model, manifest(), ARRAYS | {"a": np.zeros(3)})
    assert model.read_bytes() == before
    assert [p.name for p in model.parent.iterdir()] == [model.name]


def test_a_missing_folder_is_reported(tmp_path):
    with pytest.raises(EgbadError, match="cannot be written: No such file or directory"):
        write(tmp_path / "no" / "model.egbad", manifest(), ARRAYS)


def test_a_model_keeps_the_versions_that_it_was_fitted_with(tmp_path, monkeypatch):
    path = tmp_path / "model.egbad"
    EGBAD(training=TrainingConfig(steps=2), random_state=0, alpha=0.3).fit(
        np.random.default_rng(0).normal(size=(50, 4))
    ).save(path)
    fitted_with = load_model(path).describe()["versions"]
    monkeypatch.setattr("egbad.detectors.base.detector.versions", lambda: {"egbad": "later"})
    load_model(path).save(path)
    assert load_model(path).describe()["versions"] == fitted_with


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_model_trained_on_a_gpu_scores_on_a_machine_without_one(tmp_path):
    x = np.random.default_rng(0).normal(size=(200, 4))
    detector = EGBAD(training=TrainingConfig(steps=5), alpha=0.1, random_state=0).fit(x)
    assert (detector.device, detector.device_) == ("auto", "cpu")
    detector.device = "cuda"  # as it is in a file from a machine with a GPU
    detector.save(tmp_path / "m.egbad")
    again = load_model(tmp_path / "m.egbad")
    assert (again.device, again.device_) == ("cuda", "cpu")
    assert (again.anomaly_score(x) == detector.anomaly_score(x)).all()
    with pytest.raises(InvalidInputError, match="needs CUDA"):
        again.fit(x)
