"""Frozen, pretrained networks whose feature maps describe an image."""

from egbad.backbones.base import Backbone
from egbad.backbones.config import FeatureConfig
from egbad.backbones.extractor import FeatureExtractor
from egbad.backbones.hooked_module import HookedModule
from egbad.backbones.registry import backbone_names, load_backbone, restore_backbone
from egbad.backbones.runtime import FeatureRunner, engine_or_torch, resolve_engine

__all__ = [
    "Backbone",
    "FeatureConfig",
    "FeatureExtractor",
    "FeatureRunner",
    "HookedModule",
    "backbone_names",
    "engine_or_torch",
    "load_backbone",
    "resolve_engine",
    "restore_backbone",
]
