"""Recipes that several methods with a generator share."""

from typing import Any

from egbad.detectors.base import merge_settings
from egbad.nn.networks import row_width


def bigan_default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return stable values for a BiGAN.

    Parameters
    ----------
    shape : tuple of int
        Shape of an encoded row (d,) or image (c, h, w).

    Returns
    -------
    dict of str to object
        Settings, nested by group.
    """
    common = {"cycle_weight": 10.0, "discriminator_lr_scale": 0.1}
    if len(shape) == 1:
        d = shape[0]
        training = {"learning_rate": 3e-4, "batch_size": 128, "steps": 3000}
        sizes = {"n_latent": max(1, min(32, d // 2)), "width": row_width(d)}
        return {**common, **sizes, "input_noise": 1.0, "training": training}
    training = {"learning_rate": 1e-3, "batch_size": 32, "steps": 800}
    return {**common, "n_latent": 32, "width": 32, "input_noise": 0.5, "degree": 2.0, "training": training}


def gan_default(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return stable values for a GAN.

    Parameters
    ----------
    shape : tuple of int
        Shape of an encoded row (d,) or image (c, h, w).

    Returns
    -------
    dict of str to object
        Settings, nested by group.
    """
    values = {name: value for name, value in bigan_default(shape).items() if name not in ("cycle_weight", "degree")}
    if len(shape) == 1:
        own = {"discriminator_lr_scale": 1.0, "input_noise": 0.1, "training": {"learning_rate": 1e-3}}
        return merge_settings(values, own)
    return values | {"discriminator_lr_scale": 0.5, "input_noise": 0.3}


def released_recipe(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the values of EGBAD's released code, which are the same for its BiGAN and its AnoGAN.

    Parameters
    ----------
    shape : tuple of int
        Shape of an encoded row (d,) or image (c, h, w). The released networks for images are for (1, 28, 28) only.

    Returns
    -------
    dict of str to object
        Settings, nested by group.
    """
    common = {"learning_rate": 1e-5, "learning_rate_decay": False, "ema_warmup": False}
    if len(shape) == 1:
        return {
            "networks": "kdd99",
            "n_latent": 32,
            "width": 64,
            "dropout": 0.2,
            "preprocessing": {"scaling": "minmax"},
            "training": {**common, "batch_size": 50, "epochs": 50, "ema_decay": 0.9999},
        }
    networks = "mnist" if shape == (1, 28, 28) else "auto"
    training = {**common, "batch_size": 100, "epochs": 100}
    return {"networks": networks, "n_latent": 200, "width": 64, "dropout": 0.5, "training": training}
