"""Bodies and answers of the routes, for the description of the service. The routes build and read them without it."""

from typing import Any

from pydantic import BaseModel, Field


class RowResult(BaseModel):
    """Answer to one row or image. Ids and the key "id" of the row are repeated beside these keys."""

    score: float = Field(description="Anomaly score: higher is more anomalous.")
    p_value: float = Field(description="Share of normal rows with a score as high.")
    flagged: bool = Field(description="True if the score is above the threshold.")
    terms: dict[str, float] = Field(description="Terms that the score is the sum of.")
    explanation: list[dict[str, Any]] | None = Field(
        None,
        description="With ?explain=true: the columns, or regions of the image, with the largest shares of the score.",
    )


class ScoreAnswer(BaseModel):
    """Answer to a request for scores."""

    model: str
    version: str
    digest: str = Field(description="SHA-256 of the model file.")
    alpha: float = Field(description="False-alarm rate of the threshold.")
    threshold: float
    results: list[RowResult] = Field(description="One for each row or image, in their order.")
    stored: bool | None = Field(None, description="With a store: whether the answer is in it.")


class Problem(BaseModel):
    """Error, as RFC 9457 describes it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = Field(description="One sentence: what must hold, what was found, and what to do.")


class ModelDescription(BaseModel):
    """One version of a model."""

    name: str
    version: str
    digest: str
    platform: str
    kind: str = Field(description='"rows" or "images".')
    shape: list[int]
    columns: list[str] | None
    column_types: list[str] | None
    alpha: float
    threshold: float
    calibration_rows: int


class ModelList(BaseModel):
    """All models."""

    models: list[ModelDescription]


class LoadRequest(BaseModel, extra="forbid"):
    """Model file to load."""

    file: str = Field(description="Bare name of a file in the folder of models, such as 'payments@2.egbad'.")
    name: str | None = Field(None, description="Name to serve it by. By default that of the file.")
    version: str | None = Field(None, description="By default that of the file.")
    default: bool = Field(True, description="Make it the version that answers requests without one.")


class DefaultVersion(BaseModel, extra="forbid"):
    """Version that answers requests without one."""

    version: str


_ERRORS = {
    400: "The body or a parameter is not valid.",
    401: "A token is needed.",
    403: "The token has another role.",
    404: "There is no such model.",
    408: "The body came too slowly.",
    413: "The request exceeds a limit.",
    415: "The media type is not known.",
    503: "The queue is full. Repeat the request after the seconds in Retry-After.",
    504: "The scores were not ready in time.",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of errors for `responses` of a route.

    Parameters
    ----------
    *statuses : int

    Returns
    -------
    dict
    """
    schema = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _ERRORS[status], "content": schema} for status in (400, 401, 403, *statuses)}


_FILE_TYPES = (
    "text/csv",
    "text/tab-separated-values",
    "application/vnd.apache.parquet",
    "image/png",
    "image/jpeg",
    "application/zip",
)
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ROW = {"oneOf": [{"type": "object"}, {"type": "array", "items": {}}]}
SCORE_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    {
                        "type": "object",
                        "required": ["rows"],
                        "properties": {"rows": {"type": "array", "items": _ROW}},
                        "additionalProperties": False,
                    },
                    {
                        "type": "object",
                        "required": ["images"],
                        "properties": {"images": {"type": "array", "items": {"type": "string", "format": "byte"}}},
                        "additionalProperties": False,
                    },
                ]
            },
            "example": {"rows": [{"id": "p-17", "amount": 48.1, "country": "DE"}]},
        },
        **dict.fromkeys(_FILE_TYPES, _BINARY),
    },
}

_PARAMETERS = {"type": "object"}
INFER_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["inputs"],
                "properties": {
                    "id": {"type": "string"},
                    "parameters": _PARAMETERS,
                    "inputs": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["name", "shape", "datatype"],
                            "properties": {
                                "name": {"type": "string"},
                                "shape": {"type": "array", "items": {"type": "integer"}},
                                "datatype": {"type": "string"},
                                "parameters": _PARAMETERS,
                                "data": {"type": "array", "items": {}},
                            },
                        },
                    },
                    "outputs": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {"name": {"type": "string"}, "parameters": _PARAMETERS},
                        },
                    },
                },
            },
            "example": {
                "inputs": [{"name": "rows", "shape": [1, 3], "datatype": "FP64", "data": [0.1, 0.2, 0.3]}],
            },
        },
        "application/octet-stream": _BINARY,
    },
}
