"""Input of commands."""

import json
import os
from contextlib import contextmanager
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from PIL import Image

from egbad.cli.inputs import (
    Source,
    is_normal,
    label_names,
    normal_mask,
    parse_size,
    read_column_types,
)
from egbad.detectors.registry import create
from egbad.errors import InvalidInputError, UnreadableFileError


@pytest.mark.parametrize(
    ("labels", "normal", "mask"),
    [
        (np.array([0, 1, 4]), None, [True, False, False]),
        (np.array([False, True]), None, [True, False]),
        (np.array([5, 7, 5]), "5", [True, False, True]),
        (np.array([True, False]), "true", [True, False]),
        (np.array(["a", "b"]), "b", [False, True]),
        (np.array([b"a", b"b"]), "b", [False, True]),
    ],
)
def test_normal_rows_are_those_with_the_label_or_zero(labels, normal, mask):
    assert normal_mask(labels, normal).tolist() == mask


def test_missing_labels_are_refused():
    with pytest.raises(InvalidInputError, match="--label-column"):
        normal_mask(None, "a")
    with pytest.raises(InvalidInputError, match="row 1 has none"):
        normal_mask(np.array([0.0, np.nan]), None)
    with pytest.raises(InvalidInputError, match="row 0 has none"):
        normal_mask(np.array([None, "a"], dtype=object), "a")


def test_a_label_that_no_row_has_is_refused_for_all_data_but_not_for_a_batch():
    labels = np.array(["good", "bad"])
    assert not is_normal(labels, "goood").any()
    with pytest.raises(InvalidInputError, match="Did you mean 'good'?"):
        normal_mask(labels, "goood")


def test_text_labels_need_the_label_of_normal_rows():
    with pytest.raises(InvalidInputError, match="need --normal, the label of normal rows. Labels found: bad, good"):
        normal_mask(np.array(["good", "bad"]), None)


def test_label_names_are_sorted_and_limited():
    assert label_names(None) == []
    assert label_names(np.array(["b", "a", "b"])) == ["a", "b"]
    assert len(label_names(np.arange(100))) == 20


@pytest.mark.parametrize("text", ["0x4", "big", "28", "28x"])
def test_a_size_is_height_times_width(text):
    assert parse_size(None) is None
    assert parse_size("8X16") == (8, 16)
    with pytest.raises(InvalidInputError, match="for example 28x28"):
        parse_size(text)


def test_column_types_are_read_from_json(tmp_path):
    path = tmp_path / "types.json"
    path.write_text(json.dumps({"port": "category"}))
    assert read_column_types(None) is None
    assert read_column_types(path) == {"port": "category"}
    path.write_text('{"port": "categori"}')
    with pytest.raises(InvalidInputError, match="Did you mean 'category'?"):
        read_column_types(path)
    path.write_text('["port"]')
    with pytest.raises(UnreadableFileError, match="one JSON object"):
        read_column_types(path)
    with pytest.raises(UnreadableFileError, match="Cannot read"):
        read_column_types(tmp_path / "none.json")


def test_a_source_is_a_path_or_a_public_data_set(folder):
    assert Source(str(folder / "mixed.csv"), label_column="y").read().x.shape == (60, 3)
    assert Source("digits").read().x.shape == (1797, 8, 8)
    with pytest.raises(InvalidInputError, match="no file, folder or data set 'digts'. Did you mean 'digits'?"):
        Source("digts").read()
    with pytest.raises(InvalidInputError, match="--image-size does not apply to the data set 'digits'"):
        Source("digits", image_size="4x4").stream()


def test_file_stamps_change_with_the_file(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a\n1\n2\n")
    source = Source(str(path))
    before = source.file_stamps()
    assert before[0][:2] == (str(path), 6)
    path.write_text("a\n1\n2\n3\n")
    assert source.file_stamps() != before
    assert Source("digits").file_stamps() == []


# -- permissions -------------------------------------------------------------------------------------------------------


@contextmanager
def bound_by_permissions():
    """Act as a user whom the permissions of files bind: they do not bind root."""
    if os.name == "nt":
        pytest.skip("Windows has other permissions")
    is_root = os.geteuid() == 0
    try:
        if is_root:
            os.seteuid(65534)
    except OSError:
        pytest.skip("this process cannot act as another user")
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.parametrize("kind", ["tables", "images"])
def test_a_subfolder_that_may_not_be_read_is_refused_or_skipped(kind, folder, image_folder, run, refuse):
    with TemporaryDirectory() as shared:  # other users cannot enter pytest's own folder
        os.chmod(shared, 0o777)
        data, closed, out = (Path(shared, name) for name in ("data", "data/closed", "out.egbad"))
        for part in (data / "open", closed):
            part.mkdir(parents=True)
            for file in [folder / "normal.csv"] if kind == "tables" else image_folder.glob("even/*.png"):
                copy(file, part)
        closed.chmod(0)
        fit = ("fit", data, "--detector", "pca", "--alpha", "0.2", "--out", out)
        with bound_by_permissions():
            done = run(*fit, "--skip-unreadable")
            assert done.code == 0 and f"Skipped, cannot be read: {closed}." in done.err
            for command in (fit, ("score", out, data), ("score", out, data, "--out", Path(shared, "parts"))):
                assert refuse(*command).startswith(f"The folder '{closed}' cannot be read: Permission denied.")
        assert not Path(shared, "parts").exists()


def test_images_keep_their_sizes_if_one_of_several_learners_takes_any(tmp_path):
    for i in range(3):
        Image.fromarray(np.full((100 + i, 150), i, np.uint8)).save(tmp_path / f"{i}.png")
    mixed = Source(str(tmp_path), learners=[create("knn"), create("patchcore")], lazy=True).read()
    assert [image.shape for image in mixed.x] == [(100, 150), (101, 150), (102, 150)]
    assert Source(str(tmp_path), learners=[create("knn")], lazy=True).read().x.shape == (3, 86, 128)
    assert Source(str(tmp_path), learners=[create("patchcore")], image_size="20x30").read().x[0].shape == (20, 30)


def test_all_images_of_a_folder_laid_out_as_mvtec_ad_are_read_if_asked_for(defect_folder):
    learners = [create("knn")]
    assert len(Source(str(defect_folder), learners=learners).read().x) == 30
    assert len(Source(str(defect_folder), learners=learners, whole=True).read().x) == 48


def test_large_files_are_decoded_with_as_many_pixels_as_all_learners_need(tmp_path):
    Image.fromarray(np.zeros((2000, 2000), np.uint8)).save(tmp_path / "0.jpg")
    options = {"backbone": "efficientnet_lite0", "features": "patches"}
    small, large = (create("pca", feature_config__image_size=side, **options) for side in (100, 400))
    shapes = [
        Source(str(tmp_path), learners=found).read().x[0].shape
        for found in ([small], [small, large], [small, create("tiled")])
    ]
    assert shapes == [(250, 250), (500, 500), (2000, 2000)]
