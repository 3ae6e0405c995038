"""Compare PatchCore with anomalib's, with the same backbone, images and pixels, and with the default for photographs.

    pip install anomalib
    python benchmarks/anomalib_patchcore.py FOLDER --sets magnetic_tile deeppcb

Images are drawn and measured as in photographs.py. Each method runs in a process of its own on one thread, one after the other,
so that the peak of memory is its own. anomalib's `PatchcoreModel` gets the feature maps of the same EfficientNet-Lite0 at
224 x 224 pixels, a coreset of 10 percent, and nine neighbours for its weight. It takes hours to choose the coreset of 200 images,
so that 40 are the default.
"""

import argparse
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lines import RESULTS, append_line, read_lines
from photographs import draw, draw_test, localization, read_mask, resized
from PIL import Image

from egbad import Blend
from egbad.backbones import load_backbone
from egbad.data import read
from egbad.detectors import PatchCore
from egbad.scoring.metrics import auroc

SIDE, CORESET, BATCH = 224, 0.1, 8
Paths = list[Path]
Result = tuple[np.ndarray, np.ndarray, float, int]  # scores, maps, time of fit, vectors in memory


class Features(torch.nn.Module):
    """The default layers of EfficientNet-Lite0, as anomalib's model calls its backbone."""

    def __init__(self) -> None:
        super().__init__()
        self.network = load_backbone("efficientnet_lite0").eval()

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the maps by layer."""
        maps: dict[str, torch.Tensor] = self.network(x, self.network.default_layers)
        return maps


def import_model() -> Any:
    """Return anomalib's model, also where torchvision was built for another torch: none of its operators is called."""
    try:
        from anomalib.models.image.patchcore.torch_model import PatchcoreModel
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        from anomalib.models.image.patchcore.torch_model import PatchcoreModel
    return PatchcoreModel


def pixels(paths: Paths) -> torch.Tensor:
    """Return images as a tensor (n, 3, 224, 224) in [0, 1]."""
    found = []
    for path in paths:
        with Image.open(path) as image:
            found.append(np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)))
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float() / 255


def run_anomalib(train: Paths, test: Paths) -> Result:
    """Fit and score anomalib's model."""
    model = import_model()(layers=["layer1"], backbone="resnet18", pre_trained=False)
    model.feature_extractor = Features()
    model.layers = model.feature_extractor.network.default_layers
    started = time.perf_counter()
    model.train()
    for i in range(0, len(train), BATCH):
        model(pixels(train[i : i + BATCH]))
    model.subsample_embedding(CORESET)
    fitted = time.perf_counter() - started
    model.eval()
    found = [model(pixels([path])) for path in test]
    maps = np.stack([resized(one.anomaly_map[0, 0].numpy()) for one in found])
    return np.array([float(one.pred_score) for one in found]), maps, fitted, len(model.memory_bank)


def run_egbad(detector: Any, train: Paths, test: Paths) -> Result:
    """Fit and score one of our detectors."""
    started = time.perf_counter()
    detector.fit(read(train, lazy=True))
    fitted = time.perf_counter() - started
    x = read(test, patch_size=8, colour=len(detector.shape_) == 3).x
    terms, maps = detector.terms_and_maps_checked(x)
    patches = getattr(detector, "parts_", {"": detector}).get("patchcore", detector)
    scores = np.asarray(sum(terms.values()))
    return scores, np.stack([resized(one) for one in maps]), fitted, len(patches.memory_.memory)


METHODS: dict[str, Callable[[Paths, Paths], Result]] = {
    "anomalib": run_anomalib,
    "PatchCore, paper": lambda train, test: run_egbad(
        PatchCore(recipe="paper", alpha=0.1, random_state=0), train, test
    ),
    "default": lambda train, test: run_egbad(Blend(alpha=0.1, random_state=0), train, test),
}


def measure(name: str, folder: Path, n_train: int, seed: int) -> dict[str, Any]:
    """Return metrics, times and the peak of memory of a method on one set."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    train = draw(sorted((folder / "train/good").iterdir()), n_train, rng)
    test = draw_test(folder, rng)
    started = time.perf_counter()
    with torch.no_grad():
        scores, maps, fitted, memory = METHODS[name](train, test)
    seconds = time.perf_counter() - started
    found = {
        "image_auroc": auroc(scores, np.array([path.parent.name != "good" for path in test])),
        **localization(maps, [read_mask(folder, path) for path in test]),
        "fit_seconds": fitted,
        "ms_an_image": (seconds - fitted) / len(test) * 1000,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    return {key: round(value, 4) for key, value in found.items()} | {"memory": memory, "n_train": len(train)}


def main() -> None:
    """Append a JSON line for each set and method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", required=True)
    parser.add_argument("--train", type=int, default=40, help="training images, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS / "anomalib.jsonl")
    options = parser.parse_args()
    done = {(line["set"], line["method"], line["seed"]) for line in read_lines(options.results)}
    for name in options.sets:
        for method in METHODS:
            if (name, method, options.seed) in done:
                continue
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                found = pool.submit(measure, method, options.folder / name, options.train, options.seed).result()
            append_line(options.results, {"set": name, "method": method, "seed": options.seed, **found})


if __name__ == "__main__":
    main()
