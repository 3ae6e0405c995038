"""Bridges to services and tools of others. Each needs an extra or a package of its own, imported when it is used.

The loggers are callbacks of `fit`.
"""

from egbad.integrations.csv_logger import CSVLogger
from egbad.integrations.metric_logger import MetricLogger
from egbad.integrations.tracking import MLflowLogger, TensorBoardLogger, WandbLogger

__all__ = ["CSVLogger", "MLflowLogger", "MetricLogger", "TensorBoardLogger", "WandbLogger"]
