"""Tasks on folders of images that are laid out as MVTec AD."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from egbad.benchmark.protocols import Split
from egbad.benchmark.tasks import Task
from egbad.data import read
from egbad.data.defect_folders import GOOD, DefectFolder, find_defect_folder
from egbad.data.images import FOLDER_LABELS
from egbad.errors import InvalidInputError
from egbad.output_files import printable
from egbad.scoring.learned_rows import row_digests


@dataclass(frozen=True)
class FolderTask(Task):
    """A folder of images that is published with its split and masks of the defects.

    Parameters
    ----------
    split : callable
        Called with training images, test images and the anomalous ones among these.
    path : Path
        Folder laid out as MVTec AD.
    """

    path: Path = Path()

    @property
    def identity(self) -> str:
        """Name and path: a folder of the same name in another place is another task."""
        return f"{self.name} {self.path.resolve()}"

    def load(self, seed: int, data_dir: Path | None = None) -> tuple[Split, str]:
        """Open the images, which are decoded when they are needed. Every seed has the same split.

        Parameters
        ----------
        seed : int
            Ignored.
        data_dir : Path, optional
            Ignored.

        Returns
        -------
        split : Split
        digest : str
            SHA-256 of the images.
        """
        folder = DefectFolder(self.path)
        train = read(folder.train, lazy=True)
        in_colour = train.x[0].decoder.in_colour
        test = read(folder.test, lazy=True, label_column=FOLDER_LABELS, colour=in_colour)
        classes, files = np.asarray(test.labels), test.files or ()
        anomalous = classes != GOOD
        if not anomalous.any() or anomalous.all():
            raise InvalidInputError(
                f"'{printable(folder.test)}' must hold a folder '{GOOD}' and folders of defects, got one kind of images."
            )
        split = self.split(
            train.x,
            test.x,
            anomalous,
            top_share=float(anomalous.mean()),
            classes=classes if len(set(classes[anomalous])) > 1 else None,
            masks=[folder.mask_reader(file, normal=not bad) for file, bad in zip(files, anomalous, strict=True)],
        )
        digest = hashlib.sha256(row_digests(train.x).tobytes() + row_digests(test.x).tobytes())
        return split, digest.hexdigest()


def folder_tasks(path: Path, protocol: str) -> list[FolderTask]:
    """Return a task for a folder of images, or for each of its folders.

    Parameters
    ----------
    path : Path
        A folder laid out as MVTec AD, or one with such folders.
    protocol : str

    Returns
    -------
    list of FolderTask

    Raises
    ------
    InvalidInputError
        If there is no such folder.
    """
    inner = sorted(path.iterdir()) if find_defect_folder(path) is None else [path]
    found = [folder.path for folder in map(find_defect_folder, inner) if folder is not None]
    if not found:
        raise InvalidInputError(
            f"'{printable(path)}' must hold folders of images laid out as MVTec AD, with train/good and test, got none."
        )
    return [FolderTask(each.name, each.name, protocol, Split, path=each) for each in found]
