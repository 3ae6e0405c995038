"""A model file: named arrays and a JSON manifest, in one safetensors file. Reading one never runs code."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.numpy import load as parse_safetensors
from safetensors.numpy import save as to_safetensors

from egbad.errors import EgbadError, UnreadableFileError

FORMAT = 1
_KEY = "egbad"

Arrays = dict[str, NDArray[Any]]


class Manifest(BaseModel):
    """What a model file says of itself."""

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    library: str
    detector: str
    parameters: dict[str, Any]
    state: dict[str, Any]
    shapes: dict[str, list[int]] = {}
    digest: str = ""


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends well, and goes if it doesn't.

    Raises
    ------
    EgbadError
        When the file can't be written; what was at `path` is still there.
    """
    target = Path(path)
    draft: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        draft = Path(name)
        yield draft
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.chmod(0o666 & ~_umask())
        draft.replace(target)
    except OSError as error:
        kept = " What was there before is unchanged." if target.exists() else ""
        raise EgbadError(f"{target} can't be written: {error.strerror or error}.{kept}") from error
    finally:
        if draft is not None:
            with suppress(FileNotFoundError):
                draft.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write(path: str | os.PathLike[str], manifest: Manifest, arrays: Arrays) -> None:
    """Write a model file, atomically.

    Raises
    ------
    EgbadError
        When the file can't be written, because the disk is full for instance. An older file at `path` stays as it was.
    """
    arrays = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    shapes = {name: list(array.shape) for name, array in arrays.items()}
    manifest = manifest.model_copy(update={"shapes": shapes})
    manifest = manifest.model_copy(update={"digest": _digest(manifest, arrays)})
    content = to_safetensors(arrays, metadata={_KEY: manifest.model_dump_json()})
    with atomic_write(path) as draft:
        draft.write_bytes(content)


def read(path: str | os.PathLike[str]) -> tuple[Manifest, Arrays]:
    """Read a model file and check it.

    Raises
    ------
    UnreadableFileError
        When the file is missing, no model, cut short, damaged, or of a format that this release doesn't know.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UnreadableFileError(f"{path} can't be read: {error.strerror or error}.") from error
    fields = _fields(path, content)
    version = fields.get("format")
    if not isinstance(version, int) or version > FORMAT:
        raise UnreadableFileError(
            f"{path} has format {version}, this release reads up to {FORMAT}. Upgrade egbad or fit again."
        )
    try:
        manifest = Manifest.model_validate(fields)
        arrays = parse_safetensors(content)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise UnreadableFileError(f"{path} is damaged: its manifest has no valid '{where}'. Fit again.") from error
    except Exception as error:  # the parser has its own exception types, for every kind of damage
        raise UnreadableFileError(f"{path} is damaged: {error}. Copy it anew or fit again.") from error
    for name, shape in manifest.shapes.items():
        came = list(arrays[name].shape) if name in arrays else None
        if came != shape:
            raise UnreadableFileError(
                f"{path} is damaged: '{name}' must have the shape {shape}, got {came}. Fit again."
            )
    if _digest(manifest, arrays) != manifest.digest:
        raise UnreadableFileError(
            f"{path} is damaged: its content doesn't match its digest. Copy it anew or fit again."
        )
    return manifest, arrays


def with_prefix_removed(prefix: str, arrays: Arrays) -> Arrays:
    """The arrays whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _fields(path: str | os.PathLike[str], content: bytes) -> dict[str, Any]:
    """The manifest as found, before any check of what it says."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > len(content) - 8:
        raise UnreadableFileError(
            f"{path} is no egbad model, or its beginning only. Name a file that 'egbad fit' wrote."
        )
    try:
        header = json.loads(content[8 : 8 + length])
        fields = json.loads(header.pop("__metadata__")[_KEY])
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableFileError(f"{path} is no egbad model. Name a file that 'egbad fit' wrote.") from error
    if not isinstance(fields, dict):
        raise UnreadableFileError(f"{path} is no egbad model. Name a file that 'egbad fit' wrote.")
    if len(content) != 8 + length + end:
        raise UnreadableFileError(
            f"{path} is cut short or has something added: it must have {8 + length + end} bytes, got {len(content)}. "
            "Copy it anew or fit again."
        )
    return fields


def _digest(manifest: Manifest, arrays: Arrays) -> str:
    """SHA-256 over the manifest, without its digest, and every array in the order of their names."""
    hasher = hashlib.sha256(manifest.model_copy(update={"digest": ""}).model_dump_json().encode())
    for name in sorted(arrays):
        hasher.update(f"{name}:{arrays[name].dtype.str}:{arrays[name].shape}".encode())
        hasher.update(np.ascontiguousarray(arrays[name]).tobytes())
    return hasher.hexdigest()
