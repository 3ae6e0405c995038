"""A LitServe service that scores rows by the same model, to compare `egbad serve` with: see `others.py`."""

import sys
from typing import Any

import litserve
import numpy as np

from egbad import load
from egbad.data import Data


class ScoreAPI(litserve.LitAPI):
    """Scores of rows, in batches.

    Parameters
    ----------
    path : str
        Model file.
    **options : object
        Options of LitServe.
    """

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(**options)
        self.path = path

    def setup(self, device: str) -> None:
        """Load the model."""
        self.scorer = load(self.path)

    def decode_request(self, request: dict[str, Any], **_: Any) -> np.ndarray[Any, Any]:
        """Return the rows of a request."""
        return np.array(request["rows"], dtype=np.float64)

    def batch(self, inputs: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        """Keep the requests of a batch apart: they may have different numbers of rows."""
        return inputs

    def predict(self, batch: list[np.ndarray[Any, Any]], **_: Any) -> list[list[float]]:
        """Score the rows of all requests of a batch together."""
        scores = self.scorer.anomaly_score(Data(np.concatenate(batch), self.scorer.columns_))
        return [part.tolist() for part in np.split(scores, np.cumsum([len(rows) for rows in batch])[:-1])]

    def unbatch(self, output: list[list[float]]) -> list[list[float]]:
        """Return the scores of each request."""
        return output

    def encode_response(self, output: list[float], **_: Any) -> dict[str, Any]:
        """Return the answer to a request."""
        threshold = float(self.scorer.threshold_)
        return {"results": [{"score": score, "flagged": score > threshold} for score in output]}


def main() -> None:
    """Serve a model on a port."""
    path, port = sys.argv[1:]
    api = ScoreAPI(path, max_batch_size=256, batch_timeout=0.005, api_path="/score")
    litserve.LitServer(api, accelerator="cpu", workers_per_device=1).run(
        host="127.0.0.1", port=int(port), num_api_servers=1, generate_client_file=False, log_level="error"
    )


if __name__ == "__main__":
    main()
