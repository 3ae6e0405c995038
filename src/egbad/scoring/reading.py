"""Options that read files as a scorer needs them."""

from dataclasses import replace
from typing import Any

from egbad.data.column_roles import ALL_COLUMNS, ColumnSelection
from egbad.data.csv_options import DEFAULT_CSV_OPTIONS, CsvOptions
from egbad.scoring.scorer import Scorer


def read_options(
    scorer: Scorer,
    *,
    csv: CsvOptions = DEFAULT_CSV_OPTIONS,
    columns: ColumnSelection = ALL_COLUMNS,
    image_size: tuple[int, int] | None = None,
    with_labels: bool = False,
) -> dict[str, Any]:
    """Return the options of `egbad.data.read` for rows or images to score.

    Parameters
    ----------
    scorer : Scorer
    csv : CsvOptions
        Dialect of CSV files, as far as it is given. The rest is that of the training data where a file leaves room for doubt.
    columns : ColumnSelection
        Roles of columns and columns to keep, as far as they are given. Those that the scorer knows are added.
    image_size : (int, int), optional
        Height and width that images are resized to. By default the size that the scorer was fitted on, or their own if it
        takes any size.
    with_labels : bool
        Read the label column that the scorer knows.

    Returns
    -------
    dict of str to object
        Keyword arguments: types and roles of columns, and size and colour of images.
    """
    known = scorer.column_roles_ if with_labels else scorer.column_roles_.without_label()
    options: dict[str, Any] = {
        "column_types": scorer.required_column_types,
        "csv": replace(csv, like=scorer.csv_dialect_, infer_types=scorer.required_column_types is None),
        "columns": replace(columns, roles=known.updated(columns.roles), features=scorer.columns_),
        "image_size": image_size,
    }
    if scorer.kind_ == "images":
        *channels, height, width = scorer.shape_
        patch = scorer.min_image_side
        options |= {
            "colour": bool(channels),
            "patch_size": patch,
            "enough_side": scorer.enough_side if patch else None,
            "image_size": image_size or (None if patch else (height, width)),
        }
    return options
