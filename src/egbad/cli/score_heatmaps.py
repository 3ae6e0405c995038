"""The option `--heatmaps` of `egbad score`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from egbad.cli.inputs import Source
from egbad.cli.output_check import Inputs, check_output_folder
from egbad.data.readers import list_files
from egbad.errors import EgbadError, InvalidInputError
from egbad.output_files import locked_folder
from egbad.plot.heatmap_files import MAPS, OVERLAYS, SCALE, HeatmapFolder, heatmap_name
from egbad.scoring.score_files import claim_folder
from egbad.scoring.score_tables import ScoreTerms

BATCH_IMAGES = 32  # images that are read together by default: bounds memory


def check_heatmap_folder(folder: Path, inputs: Inputs, data_dir: Path | None) -> None:
    """Raise if heatmaps would replace a file that the command reads, or be read as images when it runs again.

    Parameters
    ----------
    folder : Path
    inputs, data_dir
        See `egbad.cli.output_check.check_outputs`.

    Raises
    ------
    InvalidInputError
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidInputError(f"--heatmaps must be a folder, got the file '{folder}'. Name a folder.")
    name = _any_name(inputs.get("DATA"))
    check_output_folder("--heatmaps", folder, [f"{OVERLAYS}/{name}", f"{MAPS}/{name}", SCALE], inputs, data_dir)


def _any_name(data: Path | str | None) -> str:
    """Return the name of the heatmap of the first image, as a pattern of images may match it."""
    try:
        files = list_files(str(data))
    except EgbadError:  # the name of a data set
        files = []
    return heatmap_name(files[0].name) if files else "000000.png"


@contextmanager
def heatmap_writer(
    folder: Path | None, scorer: Any, model: Path, source: Source, alpha: float | None
) -> Iterator[ScoreTerms]:
    """Yield a function that computes the score terms of a batch, and writes its heatmaps if there is a folder for them.

    Parameters
    ----------
    folder : Path or None
        Created if it does not exist, and locked. It must be empty, or hold heatmaps of the same model, data and options.
    scorer : Scorer
    model : Path
    source : Source
        The images.
    alpha : float, optional
        False-alarm rate of the pixel threshold. By default that of the model.

    Raises
    ------
    InvalidInputError
        If the model scores tables, has no anomaly maps, or knows none of normal images.
    """
    if folder is None:
        yield scorer.score_terms
        return
    if scorer.kind_ != "images":
        raise InvalidInputError("--heatmaps needs a model of images, got one of rows. Use --explain.")
    if not hasattr(scorer, "anomaly_map"):
        raise InvalidInputError("An exported model has no anomaly maps. Use the model that it was exported from.")
    if scorer.normal_maps_ is None:
        raise InvalidInputError(
            f"'{model}' knows no anomaly maps of normal images, which the scale of heatmaps comes from. Add them with "
            "'egbad recalibrate' and some normal images."
        )
    busy = f"Another job is writing heatmaps to '{folder}'. Wait until it ends, or choose another folder."
    options = {"files": source.file_stamps(), "data": source.given, "image_size": source.image_size, "alpha": alpha}
    with locked_folder(folder, busy):
        claim_folder(folder, model, options, "heatmaps")
        yield HeatmapFolder(folder, scorer, alpha).score_terms
