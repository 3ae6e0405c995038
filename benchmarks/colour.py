"""Compare Blend with its parts on small colour photographs, one class normal.

    python benchmarks/colour.py FOLDER --classes airplane frog

FOLDER holds train/CLASS/*.jpg and test/CLASS/*.jpg, such as CIFAR-10 as image files. All training images of the class are
used; of each class, the first 200 test images are scored. One JSON line per class and seed.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from egbad import Blend
from egbad.data import read
from egbad.detectors import Contrastive
from egbad.scoring import metrics

IMAGES_PER_CLASS = 200  # in the test set
# The transformations that suit objects on a plain background, such as digits.
STRONG_TRANSFORMATIONS = {"rotation": 25.0, "scale": 0.25, "shear": 0.35, "translation": 0.1, "thickness": 0.7}


def read_test_images(folder: Path) -> np.ndarray:
    """Read the first images of a folder."""
    return read(sorted(folder.iterdir())[:IMAGES_PER_CLASS]).x


def main() -> None:
    """Print one JSON line per class and seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--classes", nargs="+", help="classes to take as normal, all by default")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--strong", action="store_true", help="add Contrastive with the transformations for digits")
    options = parser.parse_args()
    classes = sorted(path.name for path in (options.folder / "test").iterdir())
    test = np.concatenate([read_test_images(options.folder / "test" / name) for name in classes])
    for name in options.classes or classes:
        anomalous = np.repeat([other != name for other in classes], IMAGES_PER_CLASS)
        train = read(options.folder / "train" / name).x
        for seed in range(options.seeds):
            started = time.perf_counter()
            blend = Blend(alpha=0.05, random_state=seed).fit(train)
            seconds = time.perf_counter() - started
            scorers = {"blend": blend, **blend.parts_}
            if options.strong:
                contrastive = Contrastive(alpha=0.05, random_state=seed, **STRONG_TRANSFORMATIONS)
                scorers["contrastive, strong"] = contrastive.fit(train)
            auroc = {part: metrics.auroc(scorer.anomaly_score(test), anomalous) for part, scorer in scorers.items()}
            line = {"class": name, "seed": seed, "training_images": len(train), "fit_seconds": round(seconds, 1)}
            print(json.dumps(line | {"auroc": {part: round(value, 4) for part, value in auroc.items()}}), flush=True)


if __name__ == "__main__":
    main()
