"""Tests of `egbad.integrations.csv_logger`."""

import numpy as np
import pandas as pd
import pytest

from egbad import EGBAD, TrainingConfig
from egbad.integrations import CSVLogger
from egbad.training.checkpoints import Checkpoints

X = np.random.default_rng(0).normal(size=(150, 4))


def new_detector():
    return EGBAD(training=TrainingConfig(steps=40), alpha=0.1, random_state=0)


def test_the_file_has_a_line_for_each_number(tmp_path):
    path = tmp_path / "log.csv"
    detector = new_detector().fit(X, callback=CSVLogger(path, scores={"a": X[:9]}), callback_interval=20)
    log = pd.read_csv(path)
    losses = log[log["name"] == "loss/D"]
    assert losses["step"].tolist() == [10, 20, 30, 40]
    assert np.allclose(losses["value"], detector.history_["D"][9::10, 0], rtol=1e-5)
    assert log[log["name"] == "score/a/median"]["step"].tolist() == [20, 40]
    threshold = log[log["name"] == "threshold"]
    assert threshold["step"].isna().all() and threshold["value"].tolist() == [detector.threshold_]


def test_a_second_fit_writes_the_file_anew(tmp_path):
    logger = CSVLogger(tmp_path / "log.csv")
    for _ in range(2):
        new_detector().fit(X, callback=logger)
    text = logger.path.read_text()
    assert text.count("step,name,value") == 1 and text.count("\n10,loss/D,") == 1


def test_a_resumed_fit_continues_the_file(tmp_path):
    path, folder = tmp_path / "log.csv", tmp_path / "checkpoints"

    def interrupt(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        new_detector().fit(
            X,
            callback=[CSVLogger(path, every=1), interrupt],
            callback_interval=25,
            checkpoints=Checkpoints(folder, every=0),
        )
    new_detector().fit(X, callback=CSVLogger(path, every=1), checkpoints=Checkpoints(folder, resume=True))
    whole = tmp_path / "whole.csv"
    new_detector().fit(X, callback=CSVLogger(whole, every=1))
    first, second = (pd.read_csv(p).query("name == 'loss/EG'").drop_duplicates() for p in (path, whole))
    assert first["step"].tolist() == second["step"].tolist() == [*range(1, 41)]
    assert first["value"].tolist() == second["value"].tolist()
