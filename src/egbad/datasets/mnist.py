"""MNIST: handwritten digits."""

import os

from egbad.datasets.dataset import Dataset, DatasetSource
from egbad.datasets.files import RemoteFile
from egbad.datasets.idx import IDX_FILES, load_idx

_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_SHA256 = (
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
)

SOURCE = DatasetSource(
    name="mnist",
    rows=70_000,
    shape="28 x 28",
    size=11_594_722,
    terms="CC BY-SA 3.0 (as Keras gives them)",
    origin="Y. LeCun, C. Cortes, C. Burges",
    files=tuple(RemoteFile(f"mnist/{f}", _URL + f, f"sha256:{d}") for f, d in zip(IDX_FILES, _SHA256, strict=True)),
)


def load(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load MNIST.

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
