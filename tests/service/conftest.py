"""Fixtures of the service's tests: fitted models, and real servers on free ports of this machine."""

import io
import threading
import time
from contextlib import contextmanager

import httpx2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from egbad import load
from egbad.detectors.knn import KNN
from egbad.detectors.registry import create
from egbad.export import export
from egbad.service.app import create_app
from egbad.service.auth import Tokens
from egbad.service.middleware import LOOPBACK_NAMES, Guard
from egbad.service.server import Listen, make_server, make_service
from egbad.service.settings import ServiceSettings
from egbad.service.store import open_store


def wait_until(condition, seconds=20.0):
    """Wait until a condition holds, and fail if it does not."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never held"
        time.sleep(0.005)


def table(n, seed):
    """Rows with a number, a category and a time."""
    rng = np.random.default_rng(seed)
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 86_400 * 30, n), "s")
    return pd.DataFrame({"a": rng.normal(size=n), "city": rng.choice(["Oslo", "Rome"], n), "when": when})


def json_rows(frame):
    """The rows of `table` as JSON."""
    return [{"a": row.a, "city": row.city, "when": row.when.isoformat()} for row in frame.itertuples(index=False)]


def numbers(n, seed, columns=("x", "y", "z")):
    """Rows of numbers."""
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(n, len(columns))), columns=list(columns))


def images(n, seed):
    """Grey images of 16 x 16 pixels."""
    return np.random.default_rng(seed).integers(0, 256, size=(n, 16, 16)).astype(np.uint8)


def png(image):
    """An image as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def fit_numbers():
    return create("egbad", training__steps=50, random_state=0, alpha=0.1).fit(numbers(400, 0))


def fit_table():
    return create("egbad", training__steps=50, members=2, random_state=0, alpha=0.1).fit(table(400, 0))


FILES = {
    "table.egbad": lambda path: fit_table().save(path),
    "numbers.egbad": lambda path: fit_numbers().save(path),
    "exported.onnx": lambda path: export(fit_numbers(), path),
    "images.egbad": lambda path: KNN(alpha=0.2, random_state=0).fit(images(120, 0)).save(path),
}


class ModelFolder:
    """Folder of model files, each of which is made when it is first asked for: an export takes seconds."""

    def __init__(self, folder):
        self.folder = folder

    def __truediv__(self, name):
        path = self.folder / name
        if not path.exists():
            FILES[name](path)
        return path


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    return ModelFolder(tmp_path_factory.mktemp("models"))


class RunningServer:
    """A server in a thread of this process."""

    def __init__(self, service, guard):
        self.service = service
        self.server = make_server(create_app(service, guard), service.settings)
        self.socket = Listen(port=0).bind()
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],))
        self.thread.start()
        wait_until(lambda: self.server.started)

    def client(self, **options):
        return httpx2.Client(base_url=self.url, timeout=30, **options)

    def stop(self):
        self.server.should_exit = True
        self.thread.join(30)
        self.service.executor.shutdown()
        assert not self.thread.is_alive()


@contextmanager
def running(paths, *, tokens=None, hosts=LOOPBACK_NAMES, store=None, keep="none", settings=None):
    """Run a server for these model files."""
    service = make_service(paths, settings or ServiceSettings(), store=store, keep=keep)
    server = RunningServer(service, Guard(Tokens(tokens or {}), hosts))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def server(models):
    """A server of all models with the default limits."""
    paths = [models / name for name in ("table.egbad", "numbers.egbad", "exported.onnx", "images.egbad")]
    with running(paths) as server:
        yield server


@pytest.fixture(scope="session")
def client(server):
    with server.client() as client:
        yield client


class Scorers(dict):
    """Scorers of the model files by name, each of which is loaded when it is first asked for."""

    def __init__(self, models):
        self.models = models

    def __missing__(self, name):
        (file,) = (file for file in FILES if file.startswith(f"{name}."))
        self[name] = load(self.models / file)
        return self[name]


@pytest.fixture(scope="session")
def scorers(models):
    return Scorers(models)


@pytest.fixture
def keeping_store(tmp_path):
    """A store that keeps rows."""
    with open_store(tmp_path / "reviews.db", keep=True) as store:
        yield store


@pytest.fixture
def keeping(models, keeping_store):
    """A server of "numbers" that keeps all rows, and a client."""
    with running([models / "numbers.egbad"], store=keeping_store, keep="all") as server, server.client() as client:
        yield server, client
