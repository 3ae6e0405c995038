"""scikit-learn's digits: 8 x 8 handwriting that needs no download."""

import hashlib
import os

from egbad.datasets.dataset import Dataset, Source

SOURCE = Source(
    name="digits",
    rows=1_797,
    shape="8 x 8",
    size=0,
    terms="CC BY 4.0",
    origin="E. Alpaydin, C. Kaynak, UCI; shipped by scikit-learn",
    package="sklearn",
)


def load(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """x (1797, 8, 8), values 0 to 16, and labels 0 to 9."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    digest = hashlib.sha256(bunch.images.tobytes()).hexdigest()
    return Dataset(SOURCE.name, bunch.images, bunch.target, None, digest, SOURCE.terms, SOURCE.origin)
