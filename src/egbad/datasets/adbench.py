"""Classical tables of ADBench (Han et al., NeurIPS 2022), each a data set with a name such as "adbench/38_thyroid"."""

import os

import numpy as np

from egbad.datasets.dataset import Dataset, DatasetSource
from egbad.datasets.files import RemoteFile

_URL = "https://raw.githubusercontent.com/Minqi824/ADBench/3dac822/adbench/datasets/Classical/"
_TABLES = (  # name, rows, columns, bytes, SHA-256
    ("2_annthyroid", 7_200, 6, 66_547, "e738f7c58a8740d2c4aac4c71ff49ce5e1d1aa16f44178135fc9c09df05fad1b"),
    ("5_campaign", 41_188, 62, 728_999, "74dd4d0072d6c6f1aabab63bc102f9633454f32bb936fa9bcfbd38f9f2386bcd"),
    ("6_cardio", 1_831, 21, 68_471, "bc5009bde6930b4d298b594f31b34485a9a17210cff0e8fb00a8c3068b885a2d"),
    ("7_Cardiotocography", 2_114, 21, 37_911, "5ae84910430f05923e11b6f537243263977c9136949dabd891e3570aeec51e29"),
    ("14_glass", 214, 7, 10_755, "aa7a8db1d475ba01a10488af454bc15220a3d5951b010b03b7020567d8152cdc"),
    ("17_InternetAds", 1_966, 1_555, 78_157, "bdd8ad5cf5bf2cb96cba53dde30d522d0f6a279083a8e2bc7efbac5981b04385"),
    ("19_landsat", 6_435, 36, 223_827, "ba17e2158c07469597b89db49d3982c874c6b713ff6670721ddc88969da77987"),
    ("21_Lymphography", 148, 18, 1_895, "dad977b04f4ea65b78ccd0e9f76b45175bad605165b37e63f3cc177845e67037"),
    ("23_mammography", 11_183, 6, 166_764, "a0308ac9712d78321073b1c2dc98dc37665c0f35c1cc33019416fe8f8d7de7ea"),
    ("24_mnist", 7_603, 100, 455_359, "be7706272325fdd3592c1be555ae1a82f916a2f8545f4f8cbaa548ab102cc44c"),
    ("26_optdigits", 5_216, 64, 197_633, "60de17a375a278ba220a7849727d998aa02b5e2f9fd17732a004bba28de4656e"),
    ("28_pendigits", 6_870, 16, 653_509, "c4936b89dcdad59d303020e492f763a0f54170080d787c77497609acbb9c2d79"),
    ("30_satellite", 6_435, 36, 129_874, "1f048f5686f1b8c16a227fdfa3c81a62cd9a92715714a6b24c69b1c5ad96b46e"),
    ("32_shuttle", 49_097, 9, 332_929, "26900b0f6be45d9ddb7a402c9b2f956ceda42d23a8ca4cf4406b8bc1352823d1"),
    ("34_smtp", 95_156, 3, 496_392, "d2569fc9bc12115419e3f5b37d19921e10e6c26e5ad1e61064cfb0fbc402dfdd"),
    ("37_Stamps", 340, 9, 20_569, "99fe739447284f613fa54bf2dccdb51c5120175ce6260adec6dad77576c42509"),
    ("38_thyroid", 3_772, 6, 39_882, "8de161b3f235b7647bb0b39a836d983ff61d67bf234edac461da2d71e889cb87"),
    ("39_vertebral", 240, 6, 4_868, "0816286f92b96fe6867664a41a031ac7228dcfbf1a5feefe50ca3883b2e9073d"),
    ("41_Waveform", 3_443, 21, 145_028, "6c9d867337ad1a2f8372c1d27f4c032f0401237e2041b7c45f00de8d319ff30f"),
    ("43_WDBC", 367, 30, 46_770, "78d4606a1ab516f5b60b00c196497f3bbd6bd5e4548fd04cf5f2475209b34b85"),
    ("45_wine", 129, 13, 4_072, "d5ad8965d92cc57122fe1e6572bb301adbaf795b3e166d187ae00a704d8f6e20"),
    ("47_yeast", 1_484, 8, 14_707, "bbb15c873d78a4f6a589f46d0f75814595e2282d2ae7ce7779c750f276c3770d"),
)

SOURCES = {
    f"adbench/{name}": DatasetSource(
        name=f"adbench/{name}",
        rows=rows,
        shape=f"{columns} columns",
        size=size,
        terms="repository BSD-2-Clause; the tables keep their own terms",
        origin="ADBench, S. Han et al. 2022; from ODDS, UCI and DAMI",
        files=(RemoteFile(f"adbench/{name}.npz", f"{_URL}{name}.npz", f"sha256:{digest}"),),
    )
    for name, rows, columns, size, digest in _TABLES
}


def load(name: str, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a table of ADBench.

    Parameters
    ----------
    name : str
        Name of the data set, such as "adbench/38_thyroid".
    data_dir : path, optional
        Local copy of the public data sets. By default the environment variable EGBAD_DATA, then the cache.

    Returns
    -------
    Dataset
        Rows of shape (n, d) and labels, 1 for an anomaly.
    """
    source = SOURCES[name]
    (path,) = source.obtain(data_dir)
    with np.load(path, allow_pickle=False) as content:
        x, labels = content["X"].astype(np.float64), content["y"].ravel().astype(np.int64)
    return Dataset(name, x, labels, None, source.digest, source.terms, source.origin)
