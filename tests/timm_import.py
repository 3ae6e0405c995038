"""Import of timm for tests, also where torchvision was built for another torch."""

import importlib
from typing import Any

import torch


def import_timm() -> Any:
    """Import timm, which calls none of torchvision's compiled operators.

    Raises
    ------
    ImportError
        If timm is not installed.
    """
    try:
        return importlib.import_module("timm")
    except RuntimeError:  # torchvision describes operators that are not there
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return importlib.import_module("timm")
