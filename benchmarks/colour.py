"""Small colour pictures: one class of a folder normal, the blend for images beside each of its parts.

    python benchmarks/colour.py FOLDER --classes airplane frog

FOLDER holds train/CLASS/*.jpg and test/CLASS/*.jpg, as copies of CIFAR-10 as files do. All training pictures of the class are
learned; of each class's test pictures the first 200 are scored. One JSON line per class and seed.
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

EACH = 200  # test pictures of a class
# How views moved pictures before they were told from things on a background.
FAR = {"turn": 25.0, "scale": 0.25, "shear": 0.35, "shift": 0.1, "thickness": 0.7}


def first(folder: Path) -> np.ndarray:
    return read(sorted(folder.iterdir())[:EACH]).x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--classes", nargs="+", help="default: all")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--far", action="store_true", help="and what is learned where views move pictures far")
    options = parser.parse_args()
    known = sorted(path.name for path in (options.folder / "test").iterdir())
    test = np.concatenate([first(options.folder / "test" / name) for name in known])
    for name in options.classes or known:
        anomalous = np.repeat([other != name for other in known], EACH)
        train = read(options.folder / "train" / name).x
        for seed in range(options.seeds):
            started = time.perf_counter()
            blend = Blend(alpha=0.05, random_state=seed).fit(train)
            seconds = time.perf_counter() - started
            scorers = {"blend": blend, **blend.parts_}
            if options.far:
                scorers["contrastive, far"] = Contrastive(alpha=0.05, random_state=seed, **FAR).fit(train)
            found = {part: metrics.auroc(one.anomaly_score(test), anomalous) for part, one in scorers.items()}
            line = {"class": name, "seed": seed, "training_images": len(train), "fit_seconds": round(seconds, 1)}
            print(json.dumps(line | {"auroc": {part: round(value, 4) for part, value in found.items()}}), flush=True)


if __name__ == "__main__":
    main()
