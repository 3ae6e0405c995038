"""Write the solar cells of the package `elpv-dataset` as a folder for photographs.py.

    pip install elpv-dataset
    python benchmarks/elpv.py FOLDER/elpv
    python benchmarks/photographs.py FOLDER --sets elpv --seeds 0 1

The cells (300 x 300 pixels, electroluminescence) that no expert held for defective are normal: a random 200 are learned, the
others are test/good. The kinds of defects are the experts' probabilities, 0.33, 0.67 and 1. There are no masks.
"""

import argparse
from pathlib import Path

import numpy as np
from elpv_dataset.utils import load_dataset
from PIL import Image

N_TRAIN, SEED = 200, 0


def main() -> None:
    """Write train/good, test/good and test/PROBABILITY."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    images, probabilities, _ = load_dataset()
    normal = np.flatnonzero(probabilities == 0)
    learned = {*np.random.default_rng(SEED).permutation(normal)[:N_TRAIN].tolist()}
    for i, (image, probability) in enumerate(zip(images, probabilities, strict=True)):
        kind = "good" if probability == 0 else f"{round(100 * probability):03}"
        path = folder / ("train" if i in learned else "test") / kind / f"{i:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


if __name__ == "__main__":
    main()
