"""Images in files, as a whole and in batches."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from egbad.data.images import find_images, list_images, read_images, stream_images
from egbad.data.options import BatchSizes, ReadOptions
from egbad.errors import InvalidInputError, UnreadableFileError

IN_PROCESSES = BatchSizes(process_pixels=0, task_pixels=2**14)  # a few images are enough for several workers


def read(path, **options):
    return read_images(find_images(path), ReadOptions(**options))


def grey(i, size=(8, 8)):
    return np.full(size, i, np.uint8)


@pytest.fixture
def partly_damaged(tmp_path, save_image):
    """Write four images, one damaged after its header and one damaged at its beginning."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20)).astype(np.uint8)
    for name in "abc":
        pixels[0, 0] = ord(name)
        save_image(f"{name}.png", pixels)
    whole = (tmp_path / "b.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "d.png").write_bytes(b"no image")
    return tmp_path


def test_a_folder_of_grey_images_is_read_in_order(tmp_path, save_image):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 10, 12)).astype(np.uint8)
    for name, image in zip(("b/2.png", "a.bmp", "b/1.tiff"), images, strict=True):
        save_image(name, image)
    data = read(tmp_path, label_column="folder")
    assert data.files == ("a.bmp", "b/1.tiff", "b/2.png")
    assert np.array_equal(data.x, images[[1, 2, 0]])
    assert data.labels.tolist() == [tmp_path.name, "b", "b"]


def test_images_are_in_colour_if_one_of_them_is(tmp_path, save_image):
    colour = np.random.default_rng(0).integers(0, 256, (10, 12, 3)).astype(np.uint8)
    save_image("1.png", colour)
    assert np.array_equal(read(tmp_path).x[0], np.moveaxis(colour, 2, 0))
    save_image("2.png", colour[..., 0])
    assert read(tmp_path).x.shape == (2, 3, 10, 12)
    assert read(tmp_path, colour=False).x.shape == (2, 10, 12)


def test_sixteen_bits_are_kept(tmp_path, save_image):
    deep = np.random.default_rng(0).integers(0, 65536, (10, 12)).astype(np.uint16)
    save_image("1.png", deep)
    save_image("2.png", grey(7, (10, 12)))
    x = read(tmp_path).x
    assert x.dtype == np.uint16
    assert np.array_equal(x[0], deep) and (x[1] == 7 * 257).all(), "white has one value for 8 and 16 bits"


def test_numbers_of_more_bits_are_kept_and_not_mixed_with_others(tmp_path, save_image):
    ramp = np.linspace(-1, 1, 120, dtype=np.float32).reshape(10, 12)
    save_image("1.tif", ramp)
    assert np.array_equal(read(tmp_path).x[0], ramp)
    save_image("2.png", grey(7, (10, 12)))
    with pytest.raises(InvalidInputError, match=r"one type of pixels, got float32 in '.*1.tif' and uint8 in '.*2.png'"):
        read(tmp_path)


def test_hidden_files_and_previews_of_systems_are_left_out(tmp_path, save_image):
    names = (
        "a.png",
        "_DSC01.png",
        "sub/b.png",
        ".trash/old.png",
        ".ipynb_checkpoints/a-checkpoint.png",
        "__MACOSX/a.png",
    )
    for name in names:
        save_image(name, grey(1))
    (tmp_path / "._a.png").write_bytes(b"\x00\x05\x16\x07 Mac OS X")
    assert read(tmp_path).files == ("_DSC01.png", "a.png", "sub/b.png")
    assert read(tmp_path / "**" / "*.png").files == ("_DSC01.png", "a.png", "sub/b.png")
    assert read(tmp_path / ".trash" / "*.png").files == ("old.png",), "a hidden folder that is named is read"
    assert read(tmp_path / ".trash").files == ("old.png",)


@pytest.mark.parametrize("name", ["a.heic", "b.dcm"])
def test_images_that_cannot_be_read_are_named(tmp_path, save_image, name):
    save_image("good.png", grey(1))
    (tmp_path / name).write_bytes(b"an image of another kind")
    with pytest.raises(UnreadableFileError, match=f"{name}' cannot be read as an image"):
        read(tmp_path)
    data = read(tmp_path, skip_unreadable=True)
    assert data.files == ("good.png",) and data.unreadable == (str(tmp_path / name),)


def test_large_images_are_shrunk_and_the_stream_says_so(tmp_path, save_image):
    save_image("a.png", grey(9, (400, 200)))
    assert stream_images(find_images(tmp_path), ReadOptions()).shrunk == ((400, 200), (128, 64))
    for options in (ReadOptions(image_size=(64, 64)), ReadOptions(patch_size=16)):
        assert stream_images(find_images(tmp_path), options).shrunk is None


def test_small_images_do_not_keep_their_sizes(tmp_path, save_image):
    for i, size in enumerate([(30, 40), (32, 40), (34, 40)]):
        save_image(f"{i}.png", grey(9, size))
    options = ReadOptions(patch_size=8, lazy=True, small_side=36)
    assert next(iter(stream_images(find_images(tmp_path), options).batches)).x.shape == (3, 32, 40)
    found = next(iter(stream_images(find_images(tmp_path), replace(options, small_side=35)).batches)).x
    assert [image.shape for image in found] == [(30, 40), (32, 40), (34, 40)]
    assert stream_images(find_images(tmp_path), options).usual_size == (32, 40)


def test_images_of_different_sizes_are_resized_to_the_median(tmp_path, save_image):
    for i, size in enumerate([(10, 12), (20, 30), (40, 60)]):
        save_image(f"{i}.png", grey(9, size))
    for size, expected in ((None, (20, 30)), ((16, 8), (16, 8))):
        x = read(tmp_path, image_size=size).x
        assert x.shape == (3, *expected)
        assert (x == 9).all()


@pytest.mark.parametrize(("size", "expected"), [((400, 200), (128, 64)), ((1, 1), (8, 8))])
def test_images_are_resized_to_what_detectors_take(tmp_path, save_image, size, expected):
    save_image("a.png", grey(9, size))
    assert read(tmp_path).x.shape == (1, *expected)


def test_images_keep_their_sizes_for_a_detector_of_patches(tmp_path, save_image):
    save_image("a.png", grey(1, (300, 40)))
    assert read(tmp_path, patch_size=16).x.shape == (1, 300, 40), "one size is kept, however large"
    save_image("b.png", grey(2, (9, 40)))
    x = read(tmp_path, patch_size=16).x
    assert [image.shape for image in x] == [(300, 40), (16, 40)], "each side has at least the length of a patch"
    assert read(tmp_path, patch_size=16, image_size=(20, 20)).x.shape == (2, 20, 20)


def test_unreadable_images_are_skipped_if_asked_for(partly_damaged):
    data = read(partly_damaged, skip_unreadable=True)
    assert data.files == ("a.png", "c.png") and data.x[:, 0, 0].tolist() == [97, 99]
    assert sorted(data.unreadable) == [str(partly_damaged / "b.png"), str(partly_damaged / "d.png")]
    with pytest.raises(UnreadableFileError, match=r"cannot be read as an image: .*--skip-unreadable"):
        read(partly_damaged)


def test_at_least_one_image_must_be_readable(partly_damaged):
    for name in "cd":
        (partly_damaged / f"{name}.png").unlink()
    assert read(partly_damaged, skip_unreadable=True).files == ("a.png",)
    (partly_damaged / "a.png").unlink()  # the header of the last one is valid
    with pytest.raises(InvalidInputError, match="must hold an image that can be read, got 1 that cannot"):
        read(partly_damaged, skip_unreadable=True)
    (partly_damaged / "b.png").write_bytes(b"no image")
    with pytest.raises(InvalidInputError, match="must hold an image that can be read, got 1 that cannot"):
        read(partly_damaged, skip_unreadable=True)


@pytest.mark.parametrize("batch_images", [1, 2])
def test_skipped_images_are_listed_by_the_stream(partly_damaged, batch_images):
    options = ReadOptions(skip_unreadable=True, batch_sizes=BatchSizes(images=batch_images))
    stream = stream_images(find_images(partly_damaged), options)
    assert stream.unreadable == [str(partly_damaged / "d.png")], "its header is damaged"
    assert [file for batch in stream.batches for file in batch.files] == ["a.png", "c.png"]
    assert stream.unreadable == [str(partly_damaged / name) for name in ("d.png", "b.png")]


def test_images_come_in_batches(tmp_path, save_image):
    for i in range(5):
        save_image(f"{i}.png", grey(i))
    stream = stream_images(find_images(tmp_path), ReadOptions(batch_sizes=BatchSizes(images=2)))
    batches = [*stream.batches]
    assert stream.n_rows == 5 and [len(batch.x) for batch in batches] == [2, 2, 1]
    assert [batch.first_row for batch in batches] == [0, 2, 4]
    assert np.array_equal(np.concatenate([batch.x for batch in batches]), read(tmp_path).x)


def test_large_images_come_in_smaller_batches(tmp_path, save_image):
    for i in range(5):
        save_image(f"{i}.png", grey(i, (20, 10)))
    stream = stream_images(find_images(tmp_path), ReadOptions(batch_sizes=BatchSizes(image_pixels=600)))
    assert [len(batch.x) for batch in stream.batches] == [3, 2]


def test_partitions_have_all_images(tmp_path, save_image):
    for i in range(7):
        save_image(f"{i}.png", grey(i))
    options = ReadOptions(batch_sizes=BatchSizes(images=2, per_partition=2))
    stream = stream_images(find_images(tmp_path), options)
    parts = [[*partition.read()] for partition in pickle.loads(pickle.dumps(stream.partitions))]
    assert [[len(batch.x) for batch in part] for part in parts] == [[2, 2], [2, 1]]
    assert [partition.n_rows for partition in stream.partitions] == [4, 3]
    assert [batch.first_row for part in parts for batch in part] == [0, 2, 4, 6]


def test_a_list_of_images_keeps_its_order_and_its_repetitions(save_image):
    paths = [save_image(f"{i}.png", grey(i)) for i in (3, 1)]
    data = read_images(list_images([*paths, paths[0]]), ReadOptions())
    assert data.x[:, 0, 0].tolist() == [3, 1, 3]


def test_other_label_columns_are_refused(tmp_path, save_image):
    save_image("a.png", grey(1))
    with pytest.raises(InvalidInputError, match="only label column of images is 'folder'.* got 'y'"):
        read(tmp_path, label_column="y")


# -- in worker processes -----------------------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path, save_image):
    """Write forty images of different sizes, one of which is damaged after its header."""
    rng = np.random.default_rng(0)
    for i in range(40):
        save_image(f"{i:02}.{('png', 'jpg')[i % 2]}", rng.integers(0, 256, (20 + i % 3, 24, 3), dtype=np.uint8))
    damaged = tmp_path / "08.png"
    damaged.write_bytes(damaged.read_bytes()[:-500])
    return tmp_path


@pytest.mark.parametrize("patch_size", [None, 16])
def test_processes_read_the_same_images_as_threads(photos, patch_size):
    by_threads, by_processes = (
        read(photos, skip_unreadable=True, patch_size=patch_size, batch_sizes=sizes)
        for sizes in (BatchSizes(), IN_PROCESSES)
    )
    assert len(by_threads.x) == 39 and by_threads.files == by_processes.files
    assert all(np.array_equal(one, other) for one, other in zip(by_threads.x, by_processes.x, strict=True))
    assert by_threads.unreadable == by_processes.unreadable == (str(photos / "08.png"),)


def test_a_file_that_a_process_cannot_read_is_named(photos):
    batches = stream_images(find_images(photos), ReadOptions(batch_sizes=IN_PROCESSES)).batches
    with pytest.raises(UnreadableFileError, match=r"08.png' cannot be read as an image"):
        list(batches)
