"""Time the feature maps of one image by each backbone and engine.

python benchmarks/speed/backbones.py
python benchmarks/speed/backbones.py --timm resnet18 wide_resnet50_2 --sides 224

Milliseconds are processor time on one thread, so that other programs count little; images per second are those of the wall clock.
Networks of timm have random weights here: the time does not depend on them.
"""

import argparse
import time
from statistics import median

import numpy as np
import torch

from egbad.backbones import FeatureRunner, backbone_names, load_backbone
from egbad.backbones.base import Backbone
from egbad.backbones.timm_models import TimmSpec, build_timm

REPEATS, WARMUP = 15, 2


def milliseconds(runner: FeatureRunner, side: int) -> float:
    """Return the median processor time for one image, on one thread."""
    image = np.random.default_rng(0).uniform(size=(3, side, side)).astype(np.float32)
    found = []
    for _ in range(WARMUP + REPEATS):
        started = time.process_time()
        runner.features(image)
        found.append(1e3 * (time.process_time() - started))
    return median(found[WARMUP:])


def images_per_second(runner: FeatureRunner, side: int, threads: int) -> float:
    """Return the images per second on some threads, in the best of three runs."""
    images = np.random.default_rng(0).uniform(size=(8 * threads, 3, side, side)).astype(np.float32)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            runner.map(lambda maps: None, images)
            seconds.append(time.perf_counter() - started)
    finally:
        torch.set_num_threads(before)
    return len(images) / min(seconds)


def rows(backbone: Backbone, sides: list[int]) -> None:
    """Print the lines of a backbone: its patch layers, and all layers to the last."""
    patches, everything = backbone.default_layers, (*backbone.default_layers, backbone.global_layer)
    megabytes = sum(array.nbytes for array in backbone.arrays().values()) / 1e6
    for engine in ("torch", "onnxruntime") if backbone.has_onnx_graph else ("torch",):
        for side in sides:
            one, both = (
                FeatureRunner(backbone, dict.fromkeys(layers), engine=engine) for layers in (patches, everything)
            )
            cells = [milliseconds(one, side), milliseconds(both, side)]
            cells += [images_per_second(both, side, threads) for threads in (1, 2)]
            values = " | ".join(f"{cell:.3g}" for cell in cells)
            print(f"| {backbone.name} | {megabytes:.3g} | {engine} | {side} | {values} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--timm", nargs="+", default=[], metavar="NAME", help="networks of timm instead of EfficientNet-Lite"
    )
    parser.add_argument("--sides", nargs="+", type=int, default=[224, 320, 640], metavar="PIXELS")
    options = parser.parse_args()
    print("| backbone | MB | engine | side | patches, ms | to the last layer, ms | images/s, 1 thread | 2 threads |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    networks = [build_timm(TimmSpec.parse(f"timm:{name}")) for name in options.timm]
    for backbone in networks or map(load_backbone, backbone_names()):
        rows(backbone, options.sides)


if __name__ == "__main__":
    main()
