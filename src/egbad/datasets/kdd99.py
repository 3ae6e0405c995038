"""KDD Cup 1999, the training file of 10 percent: network connections, most of which are attacks."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from egbad.datasets.dataset import Dataset, DatasetSource
from egbad.datasets.files import RemoteFile

SOURCE = DatasetSource(
    name="kdd99",
    rows=494_021,
    shape="121 columns",
    size=2_144_903,
    terms="UCI offers its sets under CC BY 4.0",
    origin="S. Stolfo et al., UCI KDD archive, KDD Cup 1999",
    files=(
        RemoteFile(
            "kddcup99/kddcup.data_10_percent.gz",
            "https://ndownloader.figshare.com/files/5976042",
            "sha256:8045aca0d84e70e622d1148d7df782496f6333bf6eb979a1b0837c42a9fd9561",
        ),
    ),
)

COLUMNS = """
    duration protocol_type service flag src_bytes dst_bytes land wrong_fragment urgent hot num_failed_logins
    logged_in num_compromised root_shell su_attempted num_root num_file_creations num_shells num_access_files
    num_outbound_cmds is_host_login is_guest_login count srv_count serror_rate srv_serror_rate rerror_rate
    srv_rerror_rate same_srv_rate diff_srv_rate srv_diff_host_rate dst_host_count dst_host_srv_count
    dst_host_same_srv_rate dst_host_diff_srv_rate dst_host_same_src_port_rate dst_host_srv_diff_host_rate
    dst_host_serror_rate dst_host_srv_serror_rate dst_host_rerror_rate dst_host_srv_rerror_rate
""".split()  # noqa: SIM905, 41 names are easier to read in nine lines
# The seven columns that DAGMM, EGBAD and ALAD one-hot encode: 87 columns, one for each value in the file.
CATEGORIES = ("protocol_type", "service", "flag", "land", "logged_in", "is_host_login", "is_guest_login")


def load(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load KDD Cup 1999.

    Parameters
    ----------
    data_dir : path, optional
        Local copy of the public data sets. By default the environment variable EGBAD_DATA, then the cache.

    Returns
    -------
    Dataset
        Rows of shape (494021, 121), the 34 numeric columns first, then the one-hot columns, and labels such as "normal.".
    """
    (path,) = SOURCE.obtain(data_dir)
    table = pa.csv.read_csv(
        path,
        read_options=pa.csv.ReadOptions(column_names=[*COLUMNS, "label"]),
        convert_options=pa.csv.ConvertOptions(column_types={name: pa.string() for name in CATEGORIES}),
    )
    numeric = [name for name in COLUMNS if name not in CATEGORIES]
    pairs = [(name, value) for name in CATEGORIES for value in sorted(pc.unique(table[name]).to_pylist())]
    x = np.empty((table.num_rows, len(numeric) + len(pairs)))  # half a gigabyte, filled in place
    for j, name in enumerate(numeric):
        x[:, j] = table[name].to_numpy()
    for j, (name, value) in enumerate(pairs, len(numeric)):
        x[:, j] = pc.equal(table[name], value).to_numpy()
    columns = (*numeric, *(f"{name}={value}" for name, value in pairs))
    labels = table["label"].to_numpy().astype(str)
    return Dataset(SOURCE.name, x, labels, columns, SOURCE.digest, SOURCE.terms, SOURCE.origin)
