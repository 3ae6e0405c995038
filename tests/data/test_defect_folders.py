"""Folders of images laid out as MVTec AD."""

import numpy as np
import pytest
from PIL import Image

from egbad.data import read
from egbad.data.defect_folders import find_defect_folder
from egbad.errors import InvalidInputError, UnreadableFileError


@pytest.fixture
def root(tmp_path, save_image):
    """Write two training images, and test images of two kinds, one of which has no mask."""
    for i, name in enumerate(("train/good/0", "train/good/1", "test/good/0", "test/hole/0", "test/hole/1")):
        save_image(f"{name}.png", np.full((10, 12), i, np.uint8))
    mask = np.zeros((10, 12), np.uint8)
    mask[2:4, 3:5] = 255
    save_image("ground_truth/hole/0_mask.png", mask)
    return tmp_path


def test_masks_are_found_by_the_names_of_their_images(root, save_image):
    folder = find_defect_folder(root)
    assert folder.mask_reader("hole/0.png", normal=False)().sum() == 4
    assert folder.mask_reader("hole/1.png", normal=False) is None
    assert folder.mask_reader("good/0.png", normal=True)().shape == (10, 12)
    save_image("ground_truth/hole/1.png", np.eye(10, 12, dtype=np.uint8))
    assert folder.mask_reader("hole/1.png", normal=False)().sum() == 10, "anything but black is a defect"
    assert find_defect_folder(root / "test") is None


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_masks_may_have_any_mode(root, mode):
    mask = Image.open(root / "ground_truth/hole/0_mask.png")
    mask.convert(mode).save(root / "ground_truth/hole/0_mask.png")
    assert find_defect_folder(root).mask_reader("hole/0.png", normal=False)().sum() == 4


def test_masks_of_another_size_are_refused(root, save_image):
    save_image("ground_truth/hole/0_mask.png", np.zeros((12, 10), np.uint8))
    with pytest.raises(
        InvalidInputError, match="A mask must have the size of its image, 10 x 12 pixels, got 12 x 10 in"
    ):
        find_defect_folder(root).mask_reader("hole/0.png", normal=False)()
    (root / "ground_truth/hole/0_mask.png").write_bytes(b"no image")
    with pytest.raises(UnreadableFileError, match="0_mask.png"):
        find_defect_folder(root).mask_reader("hole/0.png", normal=False)()


def test_masks_are_not_read_as_images(root):
    assert [file.split("/")[0] for file in read(root).files] == ["test"] * 3 + ["train"] * 2
    (root / "train" / "good").rename(root / "train" / "fine")
    assert len(read(root).files) == 6, "a folder of another layout is read as a whole"
