"""The part of a model file's JSON that all detectors share, and its checks."""

from collections.abc import Mapping
from dataclasses import fields
from math import isnan
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator

from egbad.arrays import State
from egbad.data.column_roles import ColumnRoles
from egbad.data.column_types import CATEGORY, CategoryLabels, check_column_types, labels_from_json
from egbad.data.csv_options import CsvDialect
from egbad.data.pixel_scale import WHITES, PixelScale
from egbad.errors import InvalidEntryError, InvalidInputError
from egbad.model_file import validated_entries
from egbad.preprocessing.column_encoder import TableEncoder
from egbad.scoring.recalibration import Recalibration

# Names of arrays, or of what they belong to, in the file of any detector; a method adds its own.
COMMON_ARRAYS = frozenset({"encoder", "guard", "usual", "maps", "rows", "reference", "examples", "calibration"})
BACKBONE = "backbone."  # beginning of the names of its weights
SINGLE_ARRAYS = frozenset({"examples", "calibration", "validation_rows"})


class FeatureState(BaseModel):
    """The backbone whose features of images a detector learned."""

    model_config = ConfigDict(strict=True, extra="forbid")

    backbone: dict[str, Any]  # `egbad.backbones.restore_backbone` checks it
    any_size: bool


class CommonState(BaseModel):
    """Everything that was learned, is no array and does not depend on the method."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["rows", "images"]
    shape: tuple[Annotated[int, Field(ge=1, lt=2**31)], ...]
    pixel_scale: PixelScale | None = None  # older files lack the fields that have a default
    columns: tuple[str, ...] | None
    column_types: tuple[str, ...] | None = None
    category_labels: dict[str, list[tuple[float, str]]] = {}
    roles: ColumnRoles | None = None
    csv: CsvDialect | None = None
    features: FeatureState | None = None
    settings: dict[str, Any]
    seed: Annotated[int, Field(ge=0)]
    n_train: Annotated[int, Field(ge=1)]
    threshold: Annotated[float, Field(allow_inf_nan=True)]
    normal_label: str | None = None
    recalibration: Recalibration | None = None
    fit_seconds: Annotated[float, Field(ge=0)]
    versions: dict[str, str]
    method: dict[str, Any]

    @field_validator("threshold")
    @classmethod
    def _refuse_nan(cls, threshold: float) -> float:
        if isnan(threshold):
            raise ValueError("must be a number")
        return threshold

    @property
    def labels_by_code(self) -> dict[int, CategoryLabels]:
        """The label of each code of the categories, by position of the column."""
        return labels_from_json(self.category_labels)

    def check(self, max_side: int) -> None:
        """Check that the values fit each other.

        Parameters
        ----------
        max_side : int
            Largest height and width of an image in pixels.

        Raises
        ------
        InvalidEntryError
            If they do not.
        """
        if len(self.shape) not in ((1,) if self.kind == "rows" else (2, 3)) or (
            self.kind == "images" and max(self.shape[-2:]) > max_side
        ):
            raise InvalidEntryError("state.shape", f"must be a shape of {self.kind}, got {self.shape}")
        scale = self.pixel_scale
        if scale is not None and (
            self.kind == "rows" or scale.low > scale.high or scale.white not in (None, 1.0, *WHITES.values())
        ):
            raise InvalidEntryError("state.pixel_scale", f"must be a scale of {self.kind}, got {scale}")
        self._check_columns()

    def _check_columns(self) -> None:
        """Raise unless names, types and labels of the columns fit the shape of a row."""
        n = self.shape[0] if self.kind == "rows" else 0
        for name, values in (("columns", self.columns), ("column_types", self.column_types)):
            if values is not None and len(values) != n:
                raise InvalidEntryError(
                    f"state.{name}", f"must have an entry for each of {n} columns, got {len(values)}"
                )
        if self.roles is not None and {*self.roles.names} & {*(self.columns or ())}:
            raise InvalidEntryError("state.roles", "must name columns that are not scored")
        check_column_types(self.column_types or ())
        categories = {str(j) for j, column_type in enumerate(self.column_types or ()) if column_type == CATEGORY}
        if unknown := sorted(self.category_labels.keys() - categories):
            raise InvalidEntryError("state.category_labels", f"must hold positions of categories, got '{unknown[0]}'")


def without_backbones(arrays: State) -> State:
    """Return arrays without the weights of backbones, whose names begin with "backbone." in the detector or its part.

    Parameters
    ----------
    arrays : dict of str to ndarray

    Returns
    -------
    dict of str to ndarray
    """
    return {name: array for name, array in arrays.items() if f".{BACKBONE}" not in f".{name}"}


def check_networks_of_parts(state: Mapping[str, Any]) -> None:
    """Check that no part of a detector needs a function to be loaded.

    Parameters
    ----------
    state : mapping of str to JSON value
        State of the method.

    Raises
    ------
    InvalidInputError
        If the networks of a part are the user's own: `egbad.load` takes those of a whole detector only.
    """
    for part in [state["part"]] if "part" in state else [*state.get("parts", {}).values()]:
        if part["parameters"].get("networks") is not None:
            raise InvalidInputError(
                f"A detector with a part '{part['detector']}' with networks of your own cannot be saved, since a model file "
                "contains no code. Save that part alone, or export the detector to ONNX."
            )
        check_networks_of_parts(part["state"]["method"])


def check_labels(labels: dict[int, CategoryLabels], table: TableEncoder | None) -> None:
    """Check that the labels of categories are those of the encoded levels.

    Parameters
    ----------
    labels : dict of int to dict of float to str
    table : TableEncoder or None

    Raises
    ------
    InvalidEntryError
        If a level has no label.
    """
    for j, own in labels.items():
        if table is None or not set(table.columns[j].levels.tolist()) <= own.keys():
            raise InvalidEntryError(f"state.category_labels.{j}", "must hold the label of each level of the column")


def check_array_names(arrays: State, own: frozenset[str]) -> None:
    """Check that all arrays belong to a component of the detector.

    Parameters
    ----------
    arrays : dict of str to ndarray
    own : frozenset of str
        Names of arrays, or beginnings of names up to the first dot.

    Raises
    ------
    InvalidEntryError
        If one does not.
    """
    for name in arrays:
        first, dot, _ = name.partition(".")
        if first not in own or bool(dot) == (first in SINGLE_ARRAYS):
            raise InvalidEntryError(name, "is not an array that such a model has")


def check_parameter_types(detector_type: type[Any], parameters: dict[str, Any]) -> None:
    """Check the names and types of the parameters in a model file by the annotations of the detector.

    Parameters
    ----------
    detector_type : type of Detector
    parameters : dict of str to JSON value
        Some may be missing: older files lack parameters that were added later.

    Raises
    ------
    InvalidEntryError
        If a parameter is unknown or has another type.
    """
    types = get_type_hints(detector_type)
    known: dict[str, Any] = {field.name: (types[field.name], None) for field in fields(detector_type)}
    model = create_model(f"{detector_type.__name__}Parameters", __config__=ConfigDict(extra="forbid"), **known)
    validated_entries(model, parameters, "parameters")
