"""A killed fit goes on and ends with the same bits; checkpoints are whole, two, and of one run."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from egbad import EGBAD, model_file
from egbad.detectors.registry import create
from egbad.errors import HealthWarning, InvalidInputError
from egbad.training import TrainingConfig
from egbad.training.checkpoints import Checkpoints

RUN = {"data": "abc", "training__steps": 3}


def table(n=400):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 3)) @ rng.normal(size=(3, 8))


class Killed(Exception):
    """Stands for the end of the process."""


def killed_and_resumed(folder, name, x, at, **options):
    """Fit, die after `at` steps, and go on from the checkpoint that was left before."""

    def die(step):
        raise Killed

    with pytest.raises(Killed):
        create(name, **options).fit(x, checkpoints=Checkpoints(folder, every=0), callback=die, callback_interval=at)
    checkpoints = Checkpoints(folder, resume=True)
    detector = create(name, **options).fit(x, checkpoints=checkpoints)
    assert checkpoints.newest is not None
    return detector


def same(a, b):
    """Whether two detectors are the same to the last bit, but for the time that they took."""
    (state_a, arrays_a), (state_b, arrays_b) = a._state(), b._state()
    assert state_a == state_b and set(arrays_a) == set(arrays_b)
    for name in arrays_a:
        assert np.array_equal(arrays_a[name], arrays_b[name], equal_nan=True), name
    assert np.array_equal(a.calibration_scores_, b.calibration_scores_) and a.threshold_ == b.threshold_
    return True


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
def test_a_fit_that_died_ends_with_the_same_bits(tmp_path, name, options, at):
    known = create(name).get_params()
    options = {"training__steps": 20, "random_state": 0, "alpha": 0.05} | {
        k: v for k, v in options.items() if k in known
    }
    whole = create(name, **options).fit(table())
    assert same(whole, killed_and_resumed(tmp_path, name, table(), at, **options))


@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")
def test_the_second_stage_goes_on_too(tmp_path):
    options = {"training__steps": 10, "encoder_steps": 30, "random_state": 0, "alpha": 0.05}
    whole = create("f_anogan", **options).fit(table())
    assert same(whole, killed_and_resumed(tmp_path, "f_anogan", table(), 25, **options))


@pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning")
def test_images_and_batch_moments_go_on_too(tmp_path):
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
    assert same(whole, killed_and_resumed(tmp_path, "egbad", x, 2, **options))


def test_a_seed_that_was_drawn_is_kept(tmp_path):
    resumed = killed_and_resumed(tmp_path, "egbad", table(), 7, training__steps=20, alpha=0.05)
    assert same(resumed, EGBAD(training=TrainingConfig(steps=20), alpha=0.05, random_state=resumed.seed_).fit(table()))


def test_the_newest_two_are_kept_and_all_are_cleared(tmp_path):
    folder = tmp_path / "run"
    checkpoints = Checkpoints(folder, every=0)
    detector = EGBAD(training=TrainingConfig(steps=30), random_state=0, alpha=0.05).fit(
        table(), checkpoints=checkpoints
    )
    assert [path.name for path in checkpoints.paths()] == [
        "step-000000000028.checkpoint",
        "step-000000000029.checkpoint",
    ]
    (folder / ".step-000000000030.checkpoint.abcd").write_bytes(b"half")  # killed while it wrote
    checkpoints.clear()
    assert not folder.exists()
    assert detector.fit_seconds_ > 0


def test_nothing_is_written_before_it_is_due(tmp_path):
    EGBAD(training=TrainingConfig(steps=5), random_state=0, alpha=0.05).fit(
        table(), checkpoints=Checkpoints(tmp_path / "run", every=60)
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_newest_one_falls_back_to_the_one_before(tmp_path, damage):
    options = {"training__steps": 30, "random_state": 0, "alpha": 0.05}
    whole = EGBAD().set_params(**options).fit(table(), checkpoints=Checkpoints(tmp_path, every=0))
    newest = Checkpoints(tmp_path).paths()[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes({"flip": bytes(content), "cut": bytes(content[:-9]), "empty": b""}[damage])
    with pytest.warns(HealthWarning, match="Skipped a damaged checkpoint"):
        resumed = EGBAD().set_params(**options).fit(table(), checkpoints=Checkpoints(tmp_path, every=60, resume=True))
    assert same(whole, resumed)


@pytest.mark.parametrize(
    ("options", "x", "what"),
    [({"width": 9}, table(), "parameters"), ({}, table(399), "data"), ({"random_state": 1}, table(), "parameters")],
)
def test_checkpoints_of_another_run_are_refused(tmp_path, options, x, what):
    common = {"training__steps": 10, "random_state": 0, "alpha": 0.05}
    EGBAD().set_params(**common).fit(table(), checkpoints=Checkpoints(tmp_path, every=0))
    with pytest.raises(InvalidInputError, match=f"belong to a fit with other {what}"):
        EGBAD().set_params(**(common | options)).fit(x, checkpoints=Checkpoints(tmp_path, resume=True))
    assert len(Checkpoints(tmp_path).paths()) == 2


def test_resuming_what_never_began_begins(tmp_path):
    options = {"training__steps": 10, "random_state": 0, "alpha": 0.05}
    resumed = EGBAD().set_params(**options).fit(table(), checkpoints=Checkpoints(tmp_path / "none", resume=True))
    assert same(EGBAD().set_params(**options).fit(table()), resumed)


def test_a_checkpoint_is_no_model(tmp_path):
    from egbad import load
    from egbad.errors import EgbadError

    EGBAD(training=TrainingConfig(steps=3), random_state=0, alpha=0.05).fit(
        table(), checkpoints=Checkpoints(tmp_path, every=0)
    )
    with pytest.raises(EgbadError):
        load(Checkpoints(tmp_path).paths()[0])


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
        "training.steps=300",
        *more,
    ]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})


def kill_at_random_moments(folder, times, seed):
    """Kill a fit up to `times` times, each a random while after it began to train, and let it go on -> how often."""
    np.save(folder / "rows.npy", table(2000))
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
            break  # it came to its end before
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


def test_another_run_is_said_in_one_sentence(tmp_path, capsys):
    from egbad.cli import main

    np.save(tmp_path / "rows.npy", table())
    out = str(tmp_path / "m.egbad")
    checkpoints = Checkpoints(f"{out}.checkpoints", every=0)
    EGBAD(training=TrainingConfig(steps=5), random_state=0, alpha=0.05).fit(table(), checkpoints=checkpoints)
    arguments = ["fit", str(tmp_path / "rows.npy"), "--out", out, "--detector", "egbad", "--set", "training.steps=5"]
    arguments += ["--quiet", "--alpha", "0.05"]
    assert main([*arguments, "--resume", "--members", "2"]) == 2
    assert "belong to a fit with other parameters" in capsys.readouterr().err
    assert checkpoints.paths(), "nothing was lost"
    assert main([*arguments, "--resume"]) == 0 and not checkpoints.folder.exists()
