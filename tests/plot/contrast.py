"""Contrast of colours, as WCAG defines it."""

import numpy as np
from matplotlib.colors import to_rgb, to_rgba


def luminance(colour):
    """Return the relative luminance of a colour, as WCAG defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(colour, background):
    """Return the contrast of a colour, mixed with the background by its opacity."""
    *rgb, alpha = to_rgba(colour)
    mixed = alpha * np.array(rgb) + (1 - alpha) * np.array(to_rgb(background))
    light, dark = sorted([luminance(mixed), luminance(background)], reverse=True)
    return (light + 0.05) / (dark + 0.05)
