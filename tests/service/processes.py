"""A service in a process of its own, started by the command line."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import httpx2

from tests.service.conftest import wait_until


class ServiceProcess:
    """`egbad serve` with some arguments, on a free port."""

    def __init__(self, log_path, *arguments):
        self.log_path = log_path
        environment = {name: value for name, value in os.environ.items() if name != "EGBAD_TOKEN"}
        command = [sys.executable, "-m", "egbad", "serve", *map(str, arguments), "--port", "0"]
        with log_path.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, env=environment)
        wait_until(lambda: self.process.poll() is not None or self.lines("serving"), 300)
        assert self.process.poll() is None, log_path.read_text()
        self.port = self.lines("serving")[0]["port"]
        self.url = f"http://127.0.0.1:{self.port}"

    def lines(self, event):
        """The log lines of an event."""
        return [json.loads(line) for line in self.log_path.read_text().splitlines() if f'"event": "{event}"' in line]

    def client(self, **options):
        return httpx2.Client(base_url=self.url, timeout=60, **options)

    def terminate(self):
        """Send SIGTERM."""
        self.process.terminate()

    def wait(self):
        """Wait for the end, and return the exit code."""
        return self.process.wait(60)


@contextmanager
def service_process(log_path, *arguments):
    service = ServiceProcess(log_path, *arguments)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
        service.process.wait(60)
