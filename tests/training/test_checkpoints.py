"""An interrupted fit resumes and ends with the same bits; a folder holds two checkpoints of one fit."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from egbad import EGBAD, load, model_file
from egbad.cli import main
from egbad.detectors.registry import create
from egbad.errors import EgbadError, HealthWarning, InvalidInputError
from egbad.training import TrainingConfig
from egbad.training.checkpoints import Checkpoints, StageCheckpoints, completed_stages
from egbad.training.health import Event
from egbad.training.history import History
from egbad.training.process_group import ProcessGroup

RUN = {"data": "abc", "training__steps": 3}


def table(n=400):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 3)) @ rng.normal(size=(3, 8))


class Interrupted(Exception):
    """Stands for the end of the process."""


def interrupted_and_resumed(folder, name, x, at, **options):
    """Fit, interrupt after `at` steps, and resume from the newest checkpoint."""

    def interrupt(step):
        raise Interrupted

    with pytest.raises(Interrupted):
        create(name, **options).fit(
            x, checkpoints=Checkpoints(folder, every=0), callback=interrupt, callback_interval=at
        )
    checkpoints = Checkpoints(folder, resume=True)
    detector = create(name, **options).fit(x, checkpoints=checkpoints)
    assert checkpoints.newest is not None
    return detector


def assert_same(a, b):
    """Check that two detectors have the same bits, except for the duration of their fits."""
    (state_a, arrays_a), (state_b, arrays_b) = a._state(), b._state()
    assert state_a == state_b and set(arrays_a) == set(arrays_b)
    for name in arrays_a:
        assert np.array_equal(arrays_a[name], arrays_b[name], equal_nan=True), name
    assert np.array_equal(a.calibration_scores_, b.calibration_scores_) and a.threshold_ == b.threshold_


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("egbad", {"members": 2}),
        ("egbad", {"dropout": 0.2, "early_stopping__criterion": "validation"}),
        ("vae", {}),
        ("dagmm", {"estimator": "nvi"}),
        ("alad", {"spectral": True, "early_stopping__criterion": "validation", "members": 2}),
        ("f_anogan", {"encoder_steps": 30}),
        ("ganomaly", {}),
        ("dsebm", {}),
        ("anogan", {"search_steps": 3}),
    ],
)
@pytest.mark.parametrize("at", [3, 17])
@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")
def test_an_interrupted_fit_resumes_and_ends_with_the_same_bits(tmp_path, name, options, at):
    known = create(name).get_params()
    options = {"training__steps": 20, "random_state": 0, "alpha": 0.05} | {
        k: v for k, v in options.items() if k in known
    }
    whole = create(name, **options).fit(table())
    assert_same(whole, interrupted_and_resumed(tmp_path, name, table(), at, **options))


@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")
def test_a_fit_interrupted_in_the_second_stage_resumes_there(tmp_path):
    options = {"training__steps": 10, "encoder_steps": 30, "random_state": 0, "alpha": 0.05}
    whole = create("f_anogan", **options).fit(table())
    assert_same(whole, interrupted_and_resumed(tmp_path, "f_anogan", table(), 25, **options))


@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")
def test_running_statistics_of_image_networks_are_restored(tmp_path):
    x = np.random.default_rng(0).normal(size=(30, 28, 28))
    options = {
        "recipe": "paper",
        "training__epochs": None,
        "training__steps": 4,
        "training__batch_size": 4,
        "random_state": 0,
        "alpha": 0.4,
    }
    whole = create("egbad", **options).fit(x)
    assert_same(whole, interrupted_and_resumed(tmp_path, "egbad", x, 2, **options))


def test_a_random_seed_is_restored(tmp_path):
    resumed = interrupted_and_resumed(tmp_path, "egbad", table(), 7, training__steps=20, alpha=0.05)
    assert_same(resumed, EGBAD(training=TrainingConfig(steps=20), alpha=0.05, random_state=resumed.seed_).fit(table()))


def test_the_newest_two_checkpoints_are_kept_and_clear_removes_all(tmp_path):
    folder = tmp_path / "run"
    checkpoints = Checkpoints(folder, every=0)
    detector = EGBAD(training=TrainingConfig(steps=30), random_state=0, alpha=0.05).fit(
        table(), checkpoints=checkpoints
    )
    assert [path.name for path in checkpoints.paths()] == [
        "step-000000000028.checkpoint",
        "step-000000000029.checkpoint",
    ]
    (folder / ".step-000000000030.checkpoint.abcd").write_bytes(b"half")  # killed while writing
    checkpoints.clear()
    assert not folder.exists()
    assert detector.fit_seconds_ > 0


def test_no_checkpoint_is_written_before_it_is_due(tmp_path):
    EGBAD(training=TrainingConfig(steps=5), random_state=0, alpha=0.05).fit(
        table(), checkpoints=Checkpoints(tmp_path / "run", every=60)
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_checkpoint_is_skipped_for_the_one_before(tmp_path, damage):
    options = {"training__steps": 30, "random_state": 0, "alpha": 0.05}
    whole = EGBAD().set_params(**options).fit(table(), checkpoints=Checkpoints(tmp_path, every=0))
    newest = Checkpoints(tmp_path).paths()[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes({"flip": bytes(content), "cut": bytes(content[:-9]), "empty": b""}[damage])
    with pytest.warns(HealthWarning, match="Skipped a damaged checkpoint"):
        resumed = EGBAD().set_params(**options).fit(table(), checkpoints=Checkpoints(tmp_path, every=60, resume=True))
    assert_same(whole, resumed)


@pytest.mark.parametrize(
    ("options", "x", "what"),
    [({"width": 9}, table(), "parameters"), ({}, table(399), "data"), ({"random_state": 1}, table(), "parameters")],
)
def test_checkpoints_of_a_fit_with_other_data_or_parameters_are_refused(tmp_path, options, x, what):
    common = {"training__steps": 10, "random_state": 0, "alpha": 0.05}
    EGBAD().set_params(**common).fit(table(), checkpoints=Checkpoints(tmp_path, every=0))
    with pytest.raises(InvalidInputError, match=f"belong to a fit with other {what}"):
        EGBAD().set_params(**(common | options)).fit(x, checkpoints=Checkpoints(tmp_path, resume=True))
    assert len(Checkpoints(tmp_path).paths()) == 2


def test_resuming_without_checkpoints_starts_a_fit(tmp_path):
    options = {"training__steps": 10, "random_state": 0, "alpha": 0.05}
    resumed = EGBAD().set_params(**options).fit(table(), checkpoints=Checkpoints(tmp_path / "none", resume=True))
    assert_same(EGBAD().set_params(**options).fit(table()), resumed)


def test_a_checkpoint_cannot_be_loaded_as_a_model(tmp_path):
    EGBAD(training=TrainingConfig(steps=3), random_state=0, alpha=0.05).fit(
        table(), checkpoints=Checkpoints(tmp_path, every=0)
    )
    with pytest.raises(EgbadError):
        load(Checkpoints(tmp_path).paths()[0])


# -- parts -------------------------------------------------------------------------------------------------------------


def test_a_negative_interval_is_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="every must be at least 0 seconds, got -1."):
        Checkpoints(tmp_path, every=-1)


def test_only_the_first_process_writes_and_removes_checkpoints(tmp_path):
    first, second = Checkpoints(tmp_path, every=0), Checkpoints(tmp_path, every=0)
    first.open({}, ProcessGroup(0, 2))
    first.save(1, {"seed": 0}, {})
    second.open({}, ProcessGroup(1, 2))
    second.save(2, {"seed": 0}, {})
    second.clear()
    assert first.is_due() and not second.is_due()
    assert [path.name for path in first.paths()] == ["step-000000000001.checkpoint"]


def test_checkpoints_of_a_part_are_in_a_subfolder_and_cleared_with_the_fit(tmp_path):
    checkpoints = Checkpoints(tmp_path / "fit", every=0)
    assert not checkpoints.exist()
    part = checkpoints.subfolder("part")
    part.save(1, {"seed": 0}, {})
    assert checkpoints.exist() and not checkpoints.paths()
    checkpoints.clear()
    assert not (tmp_path / "fit").exists()


def test_a_stage_restores_its_state_and_the_stages_before_it(tmp_path):
    completed = [History(("D",), [5], [torch.ones(1, 2)], [Event(5, 1, "it is odd", "")])]
    written = Checkpoints(tmp_path, every=0)
    StageCheckpoints(written, 7, 5, completed).save(3, {"n_steps": torch.tensor(3)})
    assert [path.name for path in written.paths()] == ["step-000000000008.checkpoint"]
    resumed = Checkpoints(tmp_path, resume=True)
    resumed.open({})
    (stage,) = completed_stages(resumed)
    assert (stage.players, stage.steps, stage.events) == (("D",), [5], completed[0].events)
    assert torch.equal(stage.losses[0], completed[0].losses[0])
    assert StageCheckpoints(resumed, 7, 5, completed).load() == {"n_steps": torch.tensor(3)}
    assert StageCheckpoints(resumed, 7, 0, []).load() is None, "the state belongs to the second stage"
    assert completed_stages(None) == []


def test_a_second_fit_with_the_same_folder_is_refused_until_the_first_one_ends(tmp_path):
    first, second = Checkpoints(tmp_path / "fit", every=0), Checkpoints(tmp_path / "fit", every=0, resume=True)
    with first.lock():
        first.save(1, {"seed": 0}, {})
        for act in (lambda: EGBAD(alpha=0.1).fit(table(), checkpoints=second), second.clear):
            with pytest.raises(EgbadError, match=r"Another fit is using '.*fit'\. Wait until it ends"):
                act()
        with second.lock(ProcessGroup(1, 2)), first.lock():
            first.open({})
    assert not first.folder.exists(), "the fit started over, and an empty folder is removed"
    with second.lock():
        second.save(1, {"seed": 0}, {})
    assert second.exist()


def test_drafts_of_a_killed_fit_are_removed_when_it_resumes(tmp_path):
    draft = tmp_path / ".step-000000000030.checkpoint.abcd"
    draft.write_bytes(b"half")
    Checkpoints(tmp_path, resume=True).open({}, ProcessGroup(1, 2))
    assert draft.exists(), "the first process removes it"
    Checkpoints(tmp_path, resume=True).open({})
    assert not draft.exists()


@pytest.mark.filterwarnings("ignore:A checkpoint cannot be written:egbad.errors.HealthWarning")
def test_a_fit_goes_on_without_checkpoints_on_a_full_disk(tmp_path, monkeypatch):
    options = {"training__steps": 5, "random_state": 0, "alpha": 0.05}
    whole = EGBAD().set_params(**options).fit(table())

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(HealthWarning, match=r"No space left on device\. The fit goes on without it\. Check free space"):
        detector = EGBAD().set_params(**options).fit(table(), checkpoints=Checkpoints(tmp_path / "fit", every=0))
    assert_same(whole, detector)
    assert not (tmp_path / "fit").exists()


# -- real kills --------------------------------------------------------------------------------------------------------


def start(folder, *more):
    egbad = str(Path(sys.executable).with_name("egbad"))
    out = ["--out", str(folder / "model.egbad"), "--checkpoint-every", "0.02", "--quiet", "--alpha", "0.05"]
    command = [
        egbad,
        "fit",
        str(folder / "rows.npy"),
        *out,
        "--detector",
        "egbad",
        "--set",
        "training.steps=150",
        *more,
    ]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})


def kill_at_random_moments(folder, times, seed):
    """Kill a fit up to `times` times, each at a random moment of its training, resume it, and return the number of kills."""
    np.save(folder / "rows.npy", table(1000))
    model, left, rng = folder / "model.egbad", folder / "model.egbad.checkpoints", random.Random(seed)
    assert start(folder).wait() == 0
    whole, arrays = model_file.read(model)
    model.unlink()
    killed = 0
    while killed < times:
        before = {path.name for path in left.glob("step-*")}
        process = start(folder, "--resume")
        while process.poll() is None and {path.name for path in left.glob("step-*")} <= before:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.3))
        if process.poll() is not None:
            assert process.returncode == 0
            model.unlink()
            break  # it finished before the kill
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += 1
    assert start(folder, "--resume").wait() == 0
    again, arrays_again = model_file.read(model)
    assert again.state["threshold"] == whole.state["threshold"] and set(arrays) == set(arrays_again)
    assert all(np.array_equal(arrays[name], arrays_again[name]) for name in arrays)
    assert not left.exists()
    return killed


def test_a_process_that_is_killed_ends_with_the_same_bits(tmp_path):
    assert kill_at_random_moments(tmp_path, 1, 0) == 1


@pytest.mark.slow
def test_a_process_that_is_killed_thirty_times_ends_with_the_same_bits(tmp_path):
    killed = 0
    for seed in range(30):
        folder = tmp_path / str(seed)
        folder.mkdir()
        killed += kill_at_random_moments(folder, 30 - killed, seed)
        if killed == 30:
            return
    pytest.fail(f"only {killed} kills in thirty runs")


def test_the_command_line_refuses_checkpoints_of_another_fit_and_keeps_them(tmp_path, capsys):
    np.save(tmp_path / "rows.npy", table())
    out = str(tmp_path / "m.egbad")
    checkpoints = Checkpoints(f"{out}.checkpoints", every=0)
    EGBAD(training=TrainingConfig(steps=5), random_state=0, alpha=0.05).fit(table(), checkpoints=checkpoints)
    arguments = ["fit", str(tmp_path / "rows.npy"), "--out", out, "--detector", "egbad", "--set", "training.steps=5"]
    arguments += ["--quiet", "--alpha", "0.05"]
    assert main([*arguments, "--resume", "--members", "2"]) == 2
    assert "belong to a fit with other parameters" in capsys.readouterr().err
    assert checkpoints.paths(), "they are still there"
    assert main([*arguments, "--resume"]) == 0 and not checkpoints.folder.exists()
