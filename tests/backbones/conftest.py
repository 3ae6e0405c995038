"""Fixtures of the tests of backbones."""

import pytest

from tests.timm_import import import_timm


@pytest.fixture(scope="session")
def timm():
    """Import timm."""
    pytest.importorskip("huggingface_hub", reason="the extra timm is not installed")
    return import_timm()
