"""Fixtures of the tests of backbones."""

import importlib

import pytest
import torch


@pytest.fixture(scope="session")
def timm():
    """Import timm, also where torchvision was built for another torch: timm calls none of its compiled operators."""
    pytest.importorskip("huggingface_hub", reason="the extra timm is not installed")
    try:
        yield importlib.import_module("timm")
    except RuntimeError:  # torchvision describes operators that are not there
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        yield importlib.import_module("timm")
