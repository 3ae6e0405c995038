"""Compare detectors of features of a frozen backbone on photographs, as vectors of images and patch by patch.

    python benchmarks/features.py /work/data/images --out benchmarks/results/features/runs.jsonl

Folders are laid out as MVTec AD. Of each at most 200 training and 200 test images are used, these balanced over kinds of
defects. Features are rows to every method, so each image passes the backbone once for all methods, which learn the same rows.
One JSON line per folder, seed, kind of features and method: AUROC of images, pixel AUROC, PRO and hits of the peak with masks,
size of the method's part of the model, and seconds. Runs in the file are left out. Ends with the table of the page on images;
without a folder it is made from the file.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from lines import Line, append_line, group_by, read_lines
from scipy.ndimage import gaussian_filter
from table_format import markdown

from egbad.backbones.patches import highest_patches
from egbad.data import Data, read
from egbad.data.defect_folders import GOOD, find_defect_folder
from egbad.data.images import FOLDER_LABELS
from egbad.detectors.base.feature_encoder import mean_of_highest
from egbad.detectors.gaussian import Gaussian
from egbad.detectors.registry import create
from egbad.scoring.localization import LocalizationMeter
from egbad.scoring.metrics import auroc

BACKBONE = "efficientnet_lite0"
N_TRAIN = N_TEST = 200
N_SAMPLED = 2_000  # training patches of the nearest neighbour
BLUR = 0.015  # of the width of an image
BATCH = 8  # images whose patches are in memory
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "gaussian": ("gaussian", {}),
    "knn": ("knn", {}),
    "vae": ("vae", {}),
    "egbad": ("egbad", {}),
    "egbad, adversarial_weight=0": ("egbad", {"adversarial_weight": 0.0}),
}


@dataclass
class Photographs:
    """Images of a folder.

    Attributes
    ----------
    train, test : ndarray of shape (n,)
        Lazy images.
    kinds : ndarray of str of shape (n_test,)
    masks : list of callable or None
    """

    train: Any
    test: Any
    kinds: Any
    masks: list[Any]

    @classmethod
    def load(cls, path: Path, seed: int) -> "Photographs":
        """Draw training images by a seed. The test images are the same for every seed."""
        folder = find_defect_folder(path)
        assert folder is not None
        train = read(folder.train, lazy=True).x
        colour = train[0].decoder.in_colour
        test = read(folder.test, lazy=True, label_column=FOLDER_LABELS, colour=colour)
        kinds = np.asarray(test.labels)
        chosen = balanced(kinds, np.random.default_rng(0))
        files = np.asarray(test.files)[chosen]
        masks = [folder.mask_reader(file, normal=k == GOOD) for file, k in zip(files, kinds[chosen], strict=True)]
        drawn = np.sort(np.random.default_rng(seed).permutation(len(train))[:N_TRAIN])
        return cls(train[drawn], test.x[chosen], kinds[chosen], masks)


def balanced(kinds: Any, rng: np.random.Generator) -> Any:
    """Return positions of at most half of `N_TEST` good images, and as many with defects, balanced over the kinds."""
    taken: list[int] = []
    defects = [kind for kind in np.unique(kinds) if kind != GOOD]
    for i, kind in enumerate(sorted(defects, key=lambda kind: int((kinds == kind).sum()))):
        share = (N_TEST // 2 - len(taken)) // (len(defects) - i)
        taken += rng.permutation(np.flatnonzero(kinds == kind))[:share].tolist()
    return np.sort([*taken, *rng.permutation(np.flatnonzero(kinds == GOOD))[: N_TEST // 2].tolist()])


def train_methods(rows: Any, features: str, seed: int) -> Iterator[tuple[str, Any, Line]]:
    """Yield each method, fitted to the rows, with the seconds of the fit and the bytes of its model."""
    for label, (name, parameters) in METHODS.items():
        started, x = time.perf_counter(), rows
        if name == "knn" and features == "patches":
            x = rows[np.sort(np.random.default_rng(seed).permutation(len(rows))[:N_SAMPLED])]
            parameters = {"n_neighbors": 1, **parameters}
        detector = create(name, random_state=seed, n_exemplars=0, alpha=0.5, **parameters).fit(x)
        fit_seconds = time.perf_counter() - started
        detector.learned_rows_ = None
        with TemporaryDirectory() as folder:
            detector.save(Path(folder) / "m.egbad")
            n_bytes = (Path(folder) / "m.egbad").stat().st_size
        step = getattr(detector, "history_", {}).get("step")
        yield (
            label,
            detector,
            {
                "fit_seconds": fit_seconds,
                "bytes": n_bytes,
                "train_rows": len(x),
                "steps": None if step is None else int(step[-1]),
            },
        )


def measure(path: Path, seed: int, features: str) -> Iterator[Line]:
    """Measure all methods on the same features of a folder."""
    photos = Photographs.load(path, seed)
    first = Gaussian(backbone=BACKBONE, features=features, random_state=seed, alpha=0.5, n_exemplars=0).fit(
        Data(photos.train)
    )
    encoder: Any = first.encoder_
    rows, _ = encoder.learn(photos.train, fit=False)
    methods = {label: (detector, line) for label, detector, line in train_methods(rows, features, seed)}
    scores = {label: list[float]() for label in methods}
    meters = {label: LocalizationMeter() for label in methods}
    seconds = dict.fromkeys(methods, 0.0)
    feature_seconds = 0.0
    for start in range(0, len(photos.test), BATCH):
        images = photos.test[start : start + BATCH]
        started = time.perf_counter()
        encoded, grid = encoder.encode_patches(images) if features == "patches" else (encoder.encode(images), None)
        feature_seconds += time.perf_counter() - started
        for label, (detector, _) in methods.items():
            started = time.perf_counter()
            found = detector.score_checked(encoded)
            if grid is not None:
                found = found.reshape(grid)
                add_maps(meters[label], found, photos, start)
                flat = {"score": found.ravel()}
                found = mean_of_highest(flat, highest_patches(found))["score"]
            seconds[label] += time.perf_counter() - started
            scores[label] += found.tolist()
    anomalous = photos.kinds != GOOD
    for label, (_, line) in methods.items():
        localization = meters[label].measure()
        yield {
            "folder": path.name,
            "seed": seed,
            "features": features,
            "method": label,
            "auroc": auroc(scores[label], anomalous),
            **({} if localization is None else vars(localization)),
            **line,
            "score_ms": 1000 * seconds[label] / len(anomalous),
            "feature_ms": 1000 * feature_seconds / len(anomalous),
            "values": rows.shape[1],
            "threads": torch.get_num_threads(),
        }


def add_maps(meter: LocalizationMeter, maps: Any, photos: Photographs, start: int) -> None:
    """Compare the maps of patch scores (n, h, w) of the images from a position on with their masks."""
    for i, scores in enumerate(maps, start):
        if (read_mask := photos.masks[i]) is None:
            continue
        mask = read_mask()
        if mask.any() == (photos.kinds[i] != GOOD):
            meter.add(gaussian_filter(scores, BLUR * scores.shape[1]), mask, str(photos.kinds[i]))


def table(lines: list[Line]) -> str:
    """Return means over folders and seeds as a table, of times the medians."""
    rows = []
    for (features, method), group in group_by(lines, "features", "method").items():
        by_folder = group_by(group, "folder")
        aurocs = [f"{mean(line['auroc'] for line in own):.3f}" for own in by_folder.values()]
        pro = [line["pro"] for line in group if "pro" in line]
        rows.append([
            "vectors" if features == "global" else features,
            method,
            *aurocs,
            f"**{mean(line['auroc'] for line in group):.3f}**",
            f"{mean(pro):.3f}" if pro else "",
            f"{mean(line['bytes'] for line in group) / 1e6:.1f}",
            f"{median(line['fit_seconds'] for line in group):.1f}",
            f"{median(line['score_ms'] for line in group):.1f}",
        ])  # fmt: skip
    folders = list(group_by(lines, "folder"))
    header = ["features", "method", *folders, "mean", "PRO", "MB", "fit, s", "ms an image"]
    return markdown(header, rows)


def main() -> None:
    """Measure, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder with folders laid out as MVTec AD")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", default="", help="only this folder")
    parser.add_argument("--features", nargs="+", default=["global", "patches"])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/features/runs.jsonl"))
    options = parser.parse_args()
    if options.data is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        known = {(line["folder"], line["seed"], line["features"]) for line in read_lines(options.out)}
        for seed in range(options.seeds):
            for features in options.features:
                for path in sorted(options.data.iterdir()):
                    if find_defect_folder(path) is None or options.only not in path.name:
                        continue
                    if (path.name, seed, features) not in known:
                        for line in [*measure(path, seed, features)]:
                            append_line(options.out, line)
    print(table(read_lines(options.out)))


if __name__ == "__main__":
    main()
