"""Measure the default detector and PatchCore on folders of photographs with masks, laid out as MVTec AD.

    python benchmarks/photographs.py FOLDER --sets magnetic_tile cookies --seeds 0 1

FOLDER/SET holds train/good, test/KIND and ground_truth/KIND. Each run learns at most 200 images and scores at most 200, half of
them good and the others balanced over the defects, both drawn by the seed. AUROC of images and of pixels, PRO up to 30 % false
alarms and the share of maps whose highest point lies in the mask (grown by 3 % of the width) are computed at 256 x 256 pixels.
Runs that the file of results holds already are left out. `Blend` and its parts alone are measured after one fit, and so have one
map and one time of fitting; "paper" is `PatchCore(recipe="paper")`.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lines import RESULTS, append_line, read_lines
from PIL import Image
from scipy.ndimage import binary_dilation
from torch.nn import functional as F

from egbad import Blend
from egbad.data import read
from egbad.detectors import PatchCore
from egbad.detectors.blend_parts import combine
from egbad.scoring.localization import per_region_overlap
from egbad.scoring.metrics import auroc

N_IMAGES, SIDE, GROWN = 200, 256, 8  # GROWN: pixels, 3 % of the width
RECIPES = ("default", "paper")


def draw(paths: list[Path], n: int, rng: np.random.Generator) -> list[Path]:
    """Draw at most n paths."""
    return [paths[i] for i in np.sort(rng.permutation(len(paths))[:n])]


def draw_test(folder: Path, rng: np.random.Generator) -> list[Path]:
    """Draw test images: half of them good, the others balanced over the kinds of defects."""
    kinds = sorted(path for path in (folder / "test").iterdir() if path.name != "good")
    found = draw(sorted((folder / "test/good").iterdir()), N_IMAGES // 2, rng)
    for kind in kinds:
        found += draw(sorted(kind.iterdir()), N_IMAGES // 2 // len(kinds), rng)
    return found


def read_mask(folder: Path, path: Path) -> np.ndarray | None:
    """Return the mask (256, 256) of a test image, None for a defect without a mask."""
    if path.parent.name == "good":
        return np.zeros((SIDE, SIDE), bool)
    found = [*(folder / "ground_truth" / path.parent.name).glob(f"{path.stem}*.png")]
    if not found:
        return None
    with Image.open(found[0]) as image:
        return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)) > 127


def localization(maps: np.ndarray, masks: list[np.ndarray | None]) -> dict[str, float]:
    """Return pixel AUROC, PRO and the share of peaks in the mask; nothing of a set without masks."""
    known = [i for i, mask in enumerate(masks) if mask is not None]
    if not any(masks[i].any() for i in known):
        return {}
    scores, truth = maps[known], np.stack([masks[i] for i in known])
    peaks = [
        binary_dilation(mask, iterations=GROWN).ravel()[one.argmax()]
        for one, mask in zip(scores, truth, strict=True)
        if mask.any()
    ]
    return {
        "pixel_auroc": auroc(scores.ravel(), truth.ravel()),
        "pro": per_region_overlap(scores, truth),
        "peak_in_mask": float(np.mean(peaks)),
    }


def resized(one: np.ndarray) -> np.ndarray:
    """Resize a map to 256 x 256."""
    return F.interpolate(torch.tensor(one)[None, None], size=(SIDE, SIDE), mode="bilinear", antialias=True)[
        0, 0
    ].numpy()


def fit_and_score(
    recipe: str, train: list[Path], test: list[Path], seed: int
) -> tuple[PatchCore, dict[str, np.ndarray], Any, dict[str, Any]]:
    """Fit a detector; return the one of patches, the scores of test images by name, these images, and sizes and times."""
    started = time.perf_counter()
    learned = read(train, lazy=True)
    detector: Any = Blend() if recipe == "default" else PatchCore(recipe=recipe)
    detector.set_params(alpha=0.1, random_state=seed).fit(learned)
    fitted = time.perf_counter()
    x = read(test, patch_size=8, colour=len(detector.shape_) == 3).x
    read_all = time.perf_counter()
    if recipe == "default":
        patches = detector.parts_["patchcore"]
        by_part = {name: part.score_checked(x) for name, part in detector.parts_.items()}
        tails = {name: detector.tails_[name](values) for name, values in by_part.items()}
        blended = sum(combine(tails, detector.weights_, detector.settings_.combination).values())
        scores = {"Blend": blended, **{f"{name} alone": values for name, values in by_part.items()}}
    else:
        patches, scores = detector, {recipe: detector.score_checked(x)}
    scored = time.perf_counter()
    about = {
        "threshold": detector.threshold_,
        "n_train": len(train),
        "n_test": len(test),
        "size": list(patches.extractor_.input.size),
        "memory": len(patches.memory_.memory),
        "fit_seconds": fitted - started,
        "read_ms": (read_all - fitted) / len(test) * 1000,
        "score_ms": (scored - read_all) / len(test) * 1000,
        "threads": torch.get_num_threads(),
    }
    return patches, scores, x, about


def measure(folder: Path, recipe: str, seed: int) -> Iterator[dict[str, Any]]:
    """Fit and score one set. Of a set with several kinds of defects, AUROC by kind is measured, too."""
    rng = np.random.default_rng(seed)
    train = draw(sorted((folder / "train/good").iterdir()), N_IMAGES, rng)
    test = draw_test(folder, rng)
    patches, scores, x, about = fit_and_score(recipe, train, test, seed)
    maps = np.stack([resized(one) for one in patches.anomaly_map(x)])
    located = localization(maps, [read_mask(folder, path) for path in test])
    anomalous = np.array([path.parent.name != "good" for path in test])
    threshold = about.pop("threshold")
    kinds = np.array([path.parent.name for path in test])
    for name, values in scores.items():
        line = {"detector": name, "image_auroc": auroc(values, anomalous)}
        line["by_kind"] = {
            str(kind): round(auroc(values[chosen], anomalous[chosen]), 4)
            for kind in np.unique(kinds[anomalous])
            if (chosen := ~anomalous | (kinds == kind)).any()
        }
        if name != "gaussian-vectors alone":
            line |= located
        if name in ("Blend", "paper"):
            line["false_alarms_at_10_percent"] = float((values[~anomalous] > threshold).mean())
        yield line | about


def main() -> None:
    """Append JSON lines for each set, recipe and seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", help="folders, all by default")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=[*RECIPES])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--results", type=Path, default=RESULTS / "photographs.jsonl")
    options = parser.parse_args()
    done = {(line["set"], line["recipe"], line["seed"]) for line in read_lines(options.results)}
    names = options.sets or sorted(path.name for path in options.folder.iterdir() if path.is_dir())
    for seed in options.seeds:
        for recipe in options.recipes:
            for name in names:
                if (name, recipe, seed) in done:
                    continue
                for found in [*measure(options.folder / name, recipe, seed)]:
                    rounded = {
                        key: round(value, 4) if isinstance(value, float) else value for key, value in found.items()
                    }
                    append_line(options.results, {"set": name, "recipe": recipe, "seed": seed, **rounded})


if __name__ == "__main__":
    main()
