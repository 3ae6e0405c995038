"""Files are written as a whole or not at all, through links and devices, and drafts of killed processes are removed."""

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from egbad import load, model_file
from egbad.benchmark.jobs import make_jobs
from egbad.benchmark.run_log import RunLog
from egbad.benchmark.suites import Variant
from egbad.benchmark.tasks import Task
from egbad.cli import main
from egbad.cli.score_output import open_score_table
from egbad.detectors import KNN
from egbad.errors import EgbadError, HealthWarning
from egbad.model_file import Manifest
from egbad.output_files import atomic_write, is_device, locked_folder, scratch_folder, write_text
from egbad.scoring.score_files import count_rows
from egbad.training.checkpoints import Checkpoints

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has neither modes nor pipes in the file system")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def start_and_kill(code, *arguments):
    """Run code in another process until it prints, and kill it."""
    command = [sys.executable, "-c", f"import sys, time\n{code}\nprint(flush=True)\ntime.sleep(60)", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    with process.stdout:
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    process.wait()


# -- one file ----------------------------------------------------------------------------------------------------------


def test_an_interrupt_keeps_the_old_file(tmp_path):
    path = tmp_path / "report.html"
    path.write_bytes(b"before")

    def interrupted():
        with atomic_write(path) as draft:
            draft.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"before" and names(tmp_path) == ["report.html"]


def test_characters_that_utf_8_cannot_encode_are_escaped(tmp_path):
    write_text(tmp_path / "r.txt", "é \udce9")
    assert (tmp_path / "r.txt").read_text(encoding="utf-8") == "é \\udce9"


def test_the_longest_possible_name_can_be_written(tmp_path):
    path = tmp_path / ("n" * 255)
    write_text(path, "text")
    assert path.read_text() == "text"


@posix_only
def test_a_new_file_has_the_permissions_of_the_umask(tmp_path):
    umask = os.umask(0o027)
    try:
        write_text(tmp_path / "new", "")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@posix_only
@pytest.mark.parametrize("mode", [0o600, 0o400, 0o664])
def test_a_replaced_file_passes_on_its_permissions(tmp_path, mode):
    path = tmp_path / "model.egbad"
    path.write_text("old")
    path.chmod(mode)
    write_text(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == mode and path.read_text() == "new"


@posix_only
def test_the_draft_of_a_private_file_is_private(tmp_path):
    path = tmp_path / "model.egbad"
    path.write_text("old")
    path.chmod(0o600)
    with atomic_write(path) as draft:
        assert stat.S_IMODE(draft.stat().st_mode) == 0o600


@posix_only
def test_a_link_stays_a_link_and_the_file_behind_it_is_replaced(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "v1").write_text("old")
    link, broken = tmp_path / "current", tmp_path / "next"
    link.symlink_to(Path("store", "v1"))
    broken.symlink_to(Path("store", "v2"))
    write_text(link, "new")
    write_text(broken, "newer")
    assert link.is_symlink() and (tmp_path / "store" / "v1").read_text() == "new"
    assert broken.is_symlink() and (tmp_path / "store" / "v2").read_text() == "newer"
    assert names(tmp_path / "store") == ["v1", "v2"]


@posix_only
def test_a_pipe_receives_the_content_and_stays(tmp_path):
    pipe, received = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    write_text(pipe, "content")
    reader.join()
    assert received == [b"content"] and is_device(pipe)


@posix_only
def test_devices_are_written_to_and_stay():
    before = os.stat(os.devnull)
    write_text(os.devnull, "content")
    after = os.stat(os.devnull)
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)


@posix_only
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1"])
def test_standard_output_is_continued_where_it_stands(tmp_path, name):
    code = f"import sys; from egbad.output_files import write_text; write_text({name!r}, 'two\\n'); print('three')"
    with (tmp_path / "log").open("w") as log:
        log.write("one\n")
        log.flush()
        subprocess.run([sys.executable, "-c", code], stdout=log, check=True)
    assert (tmp_path / "log").read_text() == "one\ntwo\nthree\n"


def test_a_device_that_fails_is_reported(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with pytest.raises(EgbadError, match=r"/dev/full cannot be written: No space left on device\.$"):
        write_text("/dev/full", "content")


# -- killed processes --------------------------------------------------------------------------------------------------

WRITE = """
from egbad.output_files import atomic_write
held = atomic_write(sys.argv[1])
held.__enter__().write_bytes(b'half')"""
SCRATCH = """
from pathlib import Path
from egbad.output_files import scratch_folder
held = scratch_folder(Path(sys.argv[1]), '.data-')
(held.__enter__() / 'data.npz').write_bytes(b'half')"""


@posix_only
def test_drafts_of_killed_processes_are_removed_by_the_next_write(tmp_path):
    path = tmp_path / "scores.csv"
    start_and_kill(WRITE, str(path))
    assert len(names(tmp_path)) == 1, "the draft is still there"
    with atomic_write(path) as draft:
        write_text(path, "of another writer")
        assert draft.exists(), "the draft of a living process stays"
    assert names(tmp_path) == ["scores.csv"]


@posix_only
def test_temporary_folders_of_killed_processes_are_removed_by_the_next_one(tmp_path):
    start_and_kill(SCRATCH, str(tmp_path))
    (left,) = tmp_path.iterdir()
    with scratch_folder(tmp_path, ".data-") as first, scratch_folder(tmp_path, ".data-") as second:
        assert not left.exists() and first.is_dir() and second.is_dir()
    assert names(tmp_path) == []


@posix_only
def test_a_locked_folder_refuses_a_second_process_until_the_first_one_ends(tmp_path):
    folder = tmp_path / "new" / "folder"
    with (
        locked_folder(folder, ""),
        pytest.raises(EgbadError, match="Another job is running"),
        locked_folder(folder, "Another job is running."),
    ):
        pass
    with locked_folder(folder, "Another job is running."):
        assert folder.is_dir()


def test_a_folder_that_cannot_be_created_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    error = r"file' cannot be created: File exists\. Choose another folder"
    with pytest.raises(EgbadError, match=error), locked_folder(tmp_path / "file", ""):
        pass


# -- failing calls -----------------------------------------------------------------------------------------------------

CALLS = ("open", "fsync", "replace", "chmod", "mkdir", "rmdir", "unlink")
TABLE = {"row": np.arange(1000), "score": np.linspace(0, 1, 1000), "anomaly": np.arange(1000) > 990}
JOBS = make_jobs([Task("t", "t", "clean", split=len)], [Variant("knn", "knn")], 3)


def save_model(folder):
    model_file.write(folder / "m.egbad", Manifest(library="0", detector="x", parameters={}, state={}), TABLE)


def save_scores(folder):
    for suffix in (".csv", ".jsonl", ".parquet"):
        with open_score_table(folder / f"scores{suffix}") as table:
            table.write(TABLE)


def save_report(folder):
    write_text(folder / "report.html", "<p>" * 1000)


def save_checkpoints(folder):
    checkpoints = Checkpoints(folder / "fit", every=0)
    with checkpoints.lock():
        for step in range(4):
            checkpoints.save(step, {"seed": step}, TABLE)


def save_runs(folder):
    log = RunLog(folder / "runs")
    for job in JOBS:
        if job.key not in log.records:
            log.add(job, {"status": "ok", "curve": [0.5] * 100})


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def failing_call(n):
    """Count calls of the system, and fail the n-th; yield a list with the name of each."""
    called = []

    def wrap(name):
        original = getattr(os, name)

        def call(*arguments, **options):
            called.append(name)
            if len(called) == n:
                code = errno.EIO if n % 2 else errno.ENOSPC
                raise OSError(code, os.strerror(code))
            return original(*arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patched:
        for name in CALLS:
            patched.setattr(os, name, wrap(name))
        yield called


@contextmanager
def file_size_limit(n_bytes):
    """Make every write beyond a number of bytes fail, as on a full disk."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def check_that_nothing_is_lost(folder, save, failure, old, new):
    """Save while something fails, and check that each file has its old or its new content."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in old.items():
        (folder / name).write_bytes(content)
    with failure, suppress(EgbadError, OSError), warnings.catch_warnings():
        warnings.simplefilter("ignore", HealthWarning)
        save(folder)
    assert contents(folder).keys() == old.keys()
    for name, content in contents(folder).items():
        assert content in (old[name], new[name])


@pytest.mark.parametrize("save", [save_model, save_scores, save_report])
def test_a_failing_call_or_write_keeps_the_old_or_the_new_file(tmp_path, save):
    folder = tmp_path / "out"
    folder.mkdir()
    with failing_call(0) as calls:
        save(folder)
    new = contents(folder)
    old = dict.fromkeys(new, b"before")
    for n in range(1, len(calls) + 3):
        check_that_nothing_is_lost(folder, save, failing_call(n), old, new)
    for n_bytes in (0, 1, 100, 700):
        check_that_nothing_is_lost(folder, save, file_size_limit(n_bytes), old, new)
    assert {"open", "fsync", "replace", "chmod"} >= {*calls} >= {"open", "fsync", "replace"}


def test_a_failing_call_or_write_costs_one_checkpoint_and_the_fit_goes_on(tmp_path):
    with failing_call(0) as calls:
        save_checkpoints(tmp_path / "0")
    failures = [failing_call(n) for n in range(1, len(calls) + 1)] + [file_size_limit(n) for n in (0, 1, 500, 5000)]
    for i, failure in enumerate(failures, 1):
        folder = tmp_path / str(i)
        with failure, warnings.catch_warnings():
            warnings.simplefilter("ignore", HealthWarning)
            try:
                save_checkpoints(folder)
            except EgbadError:  # the folder cannot be created, which is known before the fit
                continue
        resumed = Checkpoints(folder / "fit", resume=True)
        resumed.open({})
        if i <= len(calls):
            assert resumed.newest is not None and resumed.newest.metadata["seed"] >= 2
        assert not any((folder / "fit").glob(".*"))


def test_a_checkpoint_that_cannot_be_written_is_a_warning(tmp_path):
    checkpoints = Checkpoints(tmp_path / "fit", every=0)
    message = r"A checkpoint cannot be written to '.*fit': File too large\. The fit goes on without it"
    with file_size_limit(0), pytest.warns(HealthWarning, match=message):
        checkpoints.save(1, {"seed": 0}, TABLE)
    assert not checkpoints.exist()


def test_a_failing_call_or_write_keeps_the_finished_runs(tmp_path):
    with failing_call(0) as calls:
        save_runs(tmp_path / "0")
    failures = [failing_call(n) for n in range(1, len(calls) + 1)] + [file_size_limit(n) for n in (0, 1, 500, 1200)]
    for i, failure in enumerate(failures, 1):
        folder = tmp_path / str(i)
        with failure, suppress(EgbadError, OSError):
            save_runs(folder)
        finished = RunLog(folder / "runs").records
        save_runs(folder)
        records = RunLog(folder / "runs").records
        assert len(records) == 3 and all(records[key] == record for key, record in finished.items())


# Commands, the option that names their output, and a check of a new output.
COMMANDS = {
    "scores": (("score", "m.egbad", "t.parquet", "--out", "out/s.csv"), lambda path: path.read_text().endswith("\n")),
    "parts": (("score", "m.egbad", "t.parquet", "--out", "out"), count_rows),
    "detect": (("detect", "t.parquet", "--detector", "pca", "--out", "out/s.csv"), Path.read_text),
    "report": (("report", "m.egbad", "t.parquet", "--out", "out/r.html"), lambda path: "</html>" in path.read_text()),
    "evaluate": (
        ("evaluate", "m.egbad", "l.csv", "--label-column", "y", "--report", "out/r.html"),
        lambda path: "</html>" in path.read_text(),
    ),
    "threshold": (
        ("evaluate", "m.egbad", "l.csv", "--label-column", "y", "--choose", "f1", "--save-threshold", "out/n.egbad"),
        load,
    ),
    "fit": (("fit", "t.parquet", "--detector", "pca", "--alpha", "0.3", "--out", "out/n.egbad"), load),
    "export": (("export", "m.egbad", "--out", "out/m.onnx"), load),
    "tune": (
        ("tune", "t.parquet", "--detector", "knn", "--trials", "1", "--out", "out/n.egbad"),
        load,
    ),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("command", "check"), COMMANDS.values(), ids=COMMANDS)
def test_a_command_whose_calls_fail_loses_nothing_and_succeeds_when_repeated(
    command, check, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(80, 3))
    x[70:] += 9
    table = pd.DataFrame(x, columns=list("abc"))
    KNN(alpha=0.3, random_state=0).fit(table).save("m.egbad")
    table.to_parquet("t.parquet")
    table.assign(y=np.arange(80) >= 70).to_csv("l.csv", index=False)
    inputs = contents(tmp_path)
    with failing_call(0) as calls:
        Path("out").mkdir()
        assert main(command) == 0, capsys.readouterr().err
    written = [path.name for path in Path("out").iterdir()]
    for n in range(1, len(calls) + 1):
        shutil.rmtree("out")
        Path("out").mkdir()
        for name in written if command[-1] != "out" and "--save-threshold" not in command else ():
            Path("out", name).write_bytes(b"before")
        with failing_call(n):
            assert main(command) in (0, 2)
        for path in filter(Path.is_file, Path("out").iterdir()):
            assert path.name in written, "no drafts"
            assert path.read_bytes() == b"before" or path.suffix == ".json" or check(path)
            if "--save-threshold" in command:
                path.unlink()
        assert main(command) == 0, capsys.readouterr().err
        assert sorted(os.listdir("out")) == sorted(written)
        assert all(name == "_about.json" or check(Path("out", name)) for name in written)
        assert {name: content for name, content in contents(tmp_path).items() if name in inputs} == inputs
