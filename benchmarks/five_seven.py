"""Draw the demo's 5 against 7 with `recipe="paper"` beside the default's: images, reconstructions and differences.

    python benchmarks/five_seven.py --picture docs/images/five-seven.png     # about ten minutes of one core

Both recipes learn the same 400 images of MNIST's digit 5 and score the same 100 other 5s and 500 7s. One JSON
line per recipe. An interrupted command resumes the training that it was at.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from lines import RESULTS, Line, append_line

from egbad import EGBAD, datasets
from egbad.arrays import Floats
from egbad.benchmark.protocols import Split, one_against_one
from egbad.report import sample_by_score
from egbad.scoring import metrics
from egbad.training import TrainingConfig
from egbad.training.checkpoints import Checkpoints

N_TRAIN, N_SHOWN = 400, 8
DEMO = TrainingConfig(steps=600)  # of `egbad demo`
GAP = 6  # pixels between 5s and 7s


def measure(detector: EGBAD, scores: Floats, split: Split) -> Line:
    """Return the metrics of one recipe, and its length of training in steps and passes over the data."""
    steps, training = int(detector.history_["step"][-1]), detector.settings_.training
    kept = round(len(split.x_train) * (1 - detector.calibration_fraction))
    return {
        "steps": steps,
        "epochs": training.epochs or steps * training.batch_size / kept,
        "auroc": metrics.auroc(scores, split.anomalous),
        "average_precision": metrics.average_precision(scores, split.anomalous),
        "base_rate": metrics.base_rate(split.anomalous),
    }


def tiles(detector: EGBAD, scores: Floats, split: Split) -> np.ndarray:
    """Return images, reconstructions and differences as one picture in [0, 1], 5s left and 7s right."""
    found = sample_by_score(detector.reconstruct, split.x_test, scores, split.anomalous, N_SHOWN)
    halves = []
    for x, x_hat in (
        (found.normal, found.normal_reconstructed),
        (found.anomaly, found.anomaly_reconstructed),
    ):
        a, b = np.asarray(x, float) / 255, np.clip(np.asarray(x_hat, float) / 255, 0, 1)
        halves.append(np.vstack([np.hstack([*row]) for row in (a, b, np.abs(a - b))]))
    return np.hstack([halves[0], np.ones((len(halves[0]), GAP)), halves[1]])


def draw(path: Path, pictures: dict[str, np.ndarray]) -> None:
    """Draw the pictures of the recipes one below the other."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(pictures), 1, figsize=(9, 2.2 * len(pictures)), layout="constrained")
    for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axis.set_title(title, fontsize=10, loc="left")
        axis.set_yticks([14, 42, 70], ["image", "G(E(x))", "difference"], fontsize=9)
        side = 28 * N_SHOWN
        axis.set_xticks([side / 2, 1.5 * side + GAP], ["5, held out", "7, never seen"], fontsize=9)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    figure.savefig(path, dpi=100)


def main() -> None:
    """Fit both recipes, print their lines and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="of the paper's recipe, by default its 100")
    parser.add_argument("--picture", type=Path, help="a .png file")
    parser.add_argument("--out", type=Path, default=RESULTS / "five_seven.jsonl")
    options = parser.parse_args()
    split = one_against_one(datasets.load("mnist5k"), 5, 7, N_TRAIN, options.seed)
    paper: dict[str, Any] = {"training": TrainingConfig(epochs=options.epochs)} if options.epochs else {}
    recipes: dict[str, dict[str, Any]] = {"default": {"training": DEMO}, "paper": paper}
    lines, pictures, kept = list[Line](), dict[str, np.ndarray](), list[Checkpoints]()
    for recipe, parameters in recipes.items():
        checkpoints = Checkpoints(options.out.parent / "checkpoints" / f"five_seven-{recipe}", every=60, resume=True)
        detector = EGBAD(recipe=recipe, alpha=0.05, random_state=options.seed, **parameters)
        detector.fit(split.x_train, checkpoints=checkpoints)
        kept.append(checkpoints)
        scores = detector.anomaly_score(split.x_test)
        lines.append(line := {"recipe": recipe, "seed": options.seed} | measure(detector, scores, split))
        title = f'recipe="{recipe}": {line["epochs"]:.0f} epochs of {N_TRAIN} images, AUROC {line["auroc"]:.3f}'
        pictures[title] = tiles(detector, scores, split)
    if options.picture is not None:
        draw(options.picture, pictures)
    for line in lines:
        append_line(options.out, line)
    for checkpoints in kept:
        checkpoints.clear()


if __name__ == "__main__":
    main()
