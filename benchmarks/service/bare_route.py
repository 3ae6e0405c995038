"""A bare FastAPI route that scores rows without batches, to compare `egbad serve` with: see `load.py`."""

import json
import socket
import sys
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from egbad import load
from egbad.data import Data


class Rows(BaseModel):
    """Rows of numbers."""

    rows: list[list[float]]


def make_app(path: str) -> FastAPI:
    """Return an application with one route."""
    scorer, app = load(path), FastAPI()

    @app.post("/score")
    def score(body: Rows) -> dict[str, Any]:
        scores = scorer.anomaly_score(Data(np.array(body.rows), scorer.columns_))
        return {"results": [{"score": value, "flagged": value > scorer.threshold_} for value in scores.tolist()]}

    return app


def main() -> None:
    """Serve a model on a free port, which is printed as JSON."""
    app = make_app(sys.argv[1])
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print(json.dumps({"port": listener.getsockname()[1]}), file=sys.stderr, flush=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run([listener])


if __name__ == "__main__":
    main()
