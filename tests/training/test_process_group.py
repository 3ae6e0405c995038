"""Processes that train one detector give the result of a single process, and can be resumed with another number."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from egbad import load
from egbad.detectors.registry import create
from egbad.training.checkpoints import Checkpoints
from egbad.training.process_group import SINGLE_PROCESS, ProcessGroup

# Runs in two processes: one launch for all tests, since starting torch twice takes most of the time.
SCRIPT = """
import json
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import torch

from egbad.cli import main
from egbad.detectors.registry import create
from egbad.distributed import process_group
from egbad.training.checkpoints import Checkpoints

torch.set_num_threads(1)
folder = Path(sys.argv[1])
x, images = np.load(folder / "x.npy"), np.load(folder / "images.npy")


class Interrupted(Exception):
    pass


def interrupt(step):
    raise Interrupted


with process_group() as group:

    def fit(name, x, out, members=1, seed=0, **options):
        detector = create(name, random_state=seed, alpha=0.1, members=members).set_params(training__steps=60)
        try:
            detector.fit(x, process_group=group, **options)
        except Interrupted:
            return
        if group.is_first:
            detector.save(folder / f"two-{out}.egbad")
        else:
            np.save(folder / f"two-{out}-{group.rank}.npy", detector.anomaly_score(x))

    fit("egbad", x, "rows")
    fit("egbad", x, "unseeded", seed=None)
    fit("egbad", x, "members", members=3)
    fit("contrastive", images, "images")
    resumed = Checkpoints(folder / "left-by-one", every=1e6, resume=True)
    fit("egbad", x, "resumed", checkpoints=resumed)
    left = Checkpoints(folder / "left-by-two", every=0)
    fit("egbad", x, "interrupted", checkpoints=left, callback=interrupt, callback_interval=40)

    stdout = StringIO()
    with redirect_stdout(stdout):
        command = ["fit", str(folder / "x.csv"), "--detector", "egbad", "--set", "training.steps=60", "--json"]
        code = main([*command, "--out", str(folder / "command.egbad")])

    mean, = group.average([torch.full((2,), float(group.rank))])
    told = {
        "code": code,
        "stdout": stdout.getvalue(),
        "mean": mean.tolist(),
        "broadcast": group.broadcast(torch.tensor([group.rank == 0])).tolist(),
        "gathered": group.all_gather(f"rank {group.rank}"),
        "newest": resumed.newest is not None,
    }
    (folder / f"told-{group.rank}.json").write_text(json.dumps(told))

threads = {Path(task, "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()}
assert not any("gloo" in name for name in threads), threads
"""


class Interrupted(Exception):
    """Stands for the end of the process."""


def fit_alone(x, members=1, **options):
    detector = create("egbad", random_state=0, alpha=0.1, members=members).set_params(training__steps=60)
    return detector.fit(x, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data, and what two processes made of it."""
    folder = tmp_path_factory.mktemp("two")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 10)) + 0.1 * rng.normal(size=(400, 10))
    np.save(folder / "x.npy", x)
    np.save(folder / "images.npy", rng.normal(size=(60, 16, 16)))
    pd.DataFrame(x, columns=[*"abcdefghij"]).to_csv(folder / "x.csv", index=False)
    (folder / "script.py").write_text(SCRIPT)

    def interrupt(step):
        raise Interrupted

    checkpoints = Checkpoints(folder / "left-by-one", every=0)
    with pytest.raises(Interrupted):
        fit_alone(x, checkpoints=checkpoints, callback=interrupt, callback_interval=40)
    torchrun = [Path(sys.executable).parent / "torchrun", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([*torchrun, folder / "script.py", folder], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def alone(folder):
    """The detector that one process fits on the same data."""
    return fit_alone(np.load(folder / "x.npy"))


def assert_close(one, two):
    for name, value in one.model_.state_dict().items():
        torch.testing.assert_close(two.model_.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    for name, curve in one.history_.items():
        np.testing.assert_allclose(two.history_[name], curve, rtol=1e-4, atol=1e-5)


def told(folder):
    return [json.loads((folder / f"told-{rank}.json").read_text()) for rank in range(2)]


# -- two processes -----------------------------------------------------------------------------------------------------


def test_processes_that_share_batches_end_with_the_losses_and_weights_of_one(folder, alone):
    assert_close(alone, load(folder / "two-rows.egbad"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU the members of a process draw from one generator")
def test_members_spread_over_processes_have_the_bits_of_one_process(folder):
    one, two = fit_alone(np.load(folder / "x.npy"), members=3), load(folder / "two-members.egbad")
    assert one.seeds_ == two.seeds_
    for name, value in one.model_.state_dict().items():
        assert torch.equal(two.model_.state_dict()[name], value)
    for name, curve in one.history_.items():
        assert np.array_equal(two.history_[name], curve, equal_nan=True)


@pytest.mark.parametrize("name", ["rows", "unseeded", "members", "images"])
def test_in_the_end_every_process_has_the_whole_detector(folder, name):
    x = np.load(folder / ("images.npy" if name == "images" else "x.npy"))
    scores = np.load(folder / f"two-{name}-1.npy")
    assert np.array_equal(load(folder / f"two-{name}.egbad").anomaly_score(x), scores)


def test_two_processes_resume_the_fit_of_one(folder, alone):
    assert told(folder)[0]["newest"]
    assert_close(alone, load(folder / "two-resumed.egbad"))


def test_one_process_resumes_the_fit_of_two(folder, alone):
    checkpoints = Checkpoints(folder / "left-by-two", every=1e6, resume=True)
    resumed = fit_alone(np.load(folder / "x.npy"), checkpoints=checkpoints)
    assert checkpoints.newest is not None
    assert_close(alone, resumed)


def test_the_command_line_trains_in_all_processes_and_prints_once(folder):
    first, second = told(folder)
    assert first["code"] == second["code"] == 0
    assert json.loads(first["stdout"])["rows"] == 400 and second["stdout"] == ""
    assert (folder / "command.egbad").exists() and not (folder / "command.egbad.checkpoints").exists()


def test_collectives_give_all_processes_the_same_values(folder):
    for values in told(folder):
        assert values["mean"] == [0.5, 0.5]
        assert values["broadcast"] == [True]
        assert values["gathered"] == ["rank 0", "rank 1"]


# -- one process -------------------------------------------------------------------------------------------------------


def test_collectives_are_noops_in_one_process():
    values = [torch.arange(3.0), torch.ones(2, 2)]
    assert all(a is b for a, b in zip(SINGLE_PROCESS.average(values), values, strict=True))
    assert SINGLE_PROCESS.broadcast(values[0]) is values[0]
    assert SINGLE_PROCESS.all_gather("a") == ["a"]
    assert SINGLE_PROCESS.is_first


def test_processes_divide_the_rows_of_a_batch():
    assert not ProcessGroup(1, 3).is_first
    assert [ProcessGroup(rank, 3).local_rows(12) for rank in range(3)] == [slice(0, 4), slice(4, 8), slice(8, 12)]


def test_gradients_are_those_of_each_members_own_loss():
    weight, other = nn.Parameter(torch.tensor([[1.0], [2.0]])), nn.Parameter(torch.ones(2, 1))
    gradients = SINGLE_PROCESS.gradient_function(lambda x: (weight**2 * other).sum(1), [weight])
    losses, (gradient,) = gradients(torch.zeros(2, 1, 1))
    assert losses.tolist() == [1, 4] and gradient.tolist() == [[2], [4]]
    assert weight.grad is None and other.grad is None
