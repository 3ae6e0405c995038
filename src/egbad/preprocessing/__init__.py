"""Preprocessing: rows and images to network input, and back."""

from egbad.preprocessing.config import Preprocessing

__all__ = ["Preprocessing"]
