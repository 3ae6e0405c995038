"""Loggers for TensorBoard, MLflow and Weights & Biases."""

import os
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from egbad.errors import InvalidInputError, require_package
from egbad.integrations.metric_logger import MetricLogger
from egbad.plot.pixels import Pixels

_MAX_PARAMETER = 500  # characters that MLflow keeps


class TensorBoardLogger(MetricLogger):
    """Log training to TensorBoard, with reconstructions as images. Needs the package tensorboard.

    Parameters
    ----------
    folder : path-like
        Folder of the event files, such as "runs/1".
    every, scores, images
        See `MetricLogger`.

    Raises
    ------
    EgbadError
        If tensorboard is not installed.
    InvalidInputError
        See `MetricLogger`.

    Examples
    --------
    >>> from egbad.integrations import TensorBoardLogger
    >>> detector.fit(X, callback=TensorBoardLogger("runs/1"), callback_interval=200)  # doctest: +SKIP
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every: int = 10,
        scores: Mapping[str, Any] | None = None,
        images: Any = None,
    ) -> None:
        require_package("TensorBoardLogger", "tensorboard")
        super().__init__(every=every, scores=scores, images=images)
        self.folder = Path(folder)
        self._open_writer: Any = None

    @property
    def _writer(self) -> Any:
        """The writer of the event file, which is opened by the first log."""
        if self._open_writer is None:
            self._open_writer = import_module("torch.utils.tensorboard").SummaryWriter(str(self.folder))
        return self._open_writer

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Add scalars."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def log_image(self, name: str, pixels: Pixels, step: int) -> None:
        """Add an image, and write everything to the disk."""
        self._writer.add_image(name, pixels, step, dataformats="HWC")
        self._writer.flush()

    def log_result(self, parameters: Mapping[str, str], metrics: Mapping[str, float], detector: Any) -> None:
        """Add parameters as text and results as scalars, and close the file."""
        lines = "\n".join(f"    {name} = {value}" for name, value in parameters.items())  # a block of code in Markdown
        self._writer.add_text("parameters", lines)
        for name, value in metrics.items():
            self._writer.add_scalar(f"result/{name}", value)
        self._writer.close()
        self._open_writer = None


class MLflowLogger(MetricLogger):
    """Log training to the active run of MLflow, or to a new one. Needs the package mlflow or mlflow-skinny.

    Parameters
    ----------
    every, scores, images
        See `MetricLogger`.
    model_file : str, optional
        Log the fitted detector as an artifact of this name, such as "model.egbad". It runs no code when it is loaded, which a
        pickled model does.

    Raises
    ------
    EgbadError
        If mlflow is not installed.
    InvalidInputError
        See `MetricLogger`.

    Examples
    --------
    >>> import mlflow  # doctest: +SKIP
    >>> from egbad.integrations import MLflowLogger
    >>> with mlflow.start_run():  # doctest: +SKIP
    ...     detector.fit(X, callback=MLflowLogger(model_file="model.egbad"))
    """

    def __init__(
        self,
        *,
        every: int = 10,
        scores: Mapping[str, Any] | None = None,
        images: Any = None,
        model_file: str | None = None,
    ) -> None:
        require_package("MLflowLogger", "mlflow")
        if model_file is not None and Path(model_file).name != model_file:
            raise InvalidInputError(f"model_file must be a name without a folder, got '{model_file}'.")
        super().__init__(every=every, scores=scores, images=images)
        self.model_file = model_file
        self._mlflow: Any = import_module("mlflow")

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Log metrics."""
        self._mlflow.log_metrics(dict(metrics), step=step)

    def log_image(self, name: str, pixels: Pixels, step: int) -> None:
        """Log an image."""
        self._mlflow.log_image(pixels, key=name, step=step)

    def log_result(self, parameters: Mapping[str, str], metrics: Mapping[str, float], detector: Any) -> None:
        """Log parameters, results and the model file."""
        self._mlflow.log_params({name: value[:_MAX_PARAMETER] for name, value in parameters.items()})
        self._mlflow.log_metrics(dict(metrics))
        if self.model_file is not None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / self.model_file
                detector.save(path)
                self._mlflow.log_artifact(str(path))


class WandbLogger(MetricLogger):
    """Log training to a run of Weights & Biases, with reconstructions as images. Needs the package wandb.

    The run stays open. Take another one for each fit, since the steps of a run only increase. A run that begins with
    ``wandb.init(mode="offline")`` needs no network.

    Parameters
    ----------
    run : wandb.Run, optional
        By default the run of the last ``wandb.init``.
    every, scores, images
        See `MetricLogger`.

    Raises
    ------
    EgbadError
        If wandb is not installed.
    InvalidInputError
        If there is no run. See `MetricLogger`, too.

    Examples
    --------
    >>> import wandb  # doctest: +SKIP
    >>> from egbad.integrations import WandbLogger
    >>> with wandb.init(project="tiles", mode="offline") as run:  # doctest: +SKIP
    ...     detector.fit(X, callback=WandbLogger(run))
    """

    def __init__(
        self, run: Any = None, *, every: int = 10, scores: Mapping[str, Any] | None = None, images: Any = None
    ) -> None:
        require_package("WandbLogger", "wandb")
        super().__init__(every=every, scores=scores, images=images)
        self._wandb: Any = import_module("wandb")
        self.run = run or self._wandb.run
        if self.run is None:
            raise InvalidInputError("WandbLogger needs a run, got none. Call wandb.init() first.")

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Log metrics."""
        self.run.log(dict(metrics), step=step)

    def log_image(self, name: str, pixels: Pixels, step: int) -> None:
        """Log an image."""
        self.run.log({name: self._wandb.Image(pixels)}, step=step)

    def log_result(self, parameters: Mapping[str, str], metrics: Mapping[str, float], detector: Any) -> None:
        """Log parameters as configuration and results as summary."""
        self.run.log({}, commit=True)  # what was logged at the last step
        self.run.config.update(dict(parameters), allow_val_change=True)
        self.run.summary.update(dict(metrics))
