"""Fashion-MNIST: images of clothes."""

import os

from egbad.datasets.dataset import Dataset, DatasetSource
from egbad.datasets.files import RemoteFile
from egbad.datasets.idx import IDX_FILES, load_idx

_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_SHA256 = (
    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
)

SOURCE = DatasetSource(
    name="fashion_mnist",
    rows=70_000,
    shape="28 x 28",
    size=30_878_645,
    terms="MIT",
    origin="H. Xiao, K. Rasul, R. Vollgraf, Zalando",
    files=tuple(
        RemoteFile(f"fashion-mnist/{f}", _URL + f, f"sha256:{d}") for f, d in zip(IDX_FILES, _SHA256, strict=True)
    ),
)


def load(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load Fashion-MNIST.

    Parameters
    ----------
    data_dir : path, optional
        Local copy of the public data sets. By default the environment variable EGBAD_DATA, then the cache.

    Returns
    -------
    Dataset
        Images of shape (70000, 28, 28) and type uint8, the 60,000 training images first, and labels 0 to 9.
    """
    return load_idx(SOURCE, data_dir)
