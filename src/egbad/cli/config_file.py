"""Options of a command from a TOML file: `--config FILE`. Options of the command line override it."""

import inspect
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from egbad.errors import InvalidInputError, UnreadableFileError, shorten

_OPTION = "config"
_SETTINGS = "set"  # the option --set, a table in the file


def read_config(path: Path) -> dict[str, Any]:
    """Read a TOML file of options.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to object
        Values by the names of options, with "_" in place of "-".

    Raises
    ------
    UnreadableFileError
        If the file cannot be read or is not TOML.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadableFileError(f"'{path}' cannot be read: {error.strerror}. Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"'{path}' is not a TOML file: {shorten(str(error))}.") from error
    return {name.replace("-", "_"): value for name, value in found.items()}


def settings_of(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the values of a table as --set takes them.

    Parameters
    ----------
    table : mapping of str to object
        Nested tables are groups of parameters.
    prefix : str
        Name of the group, with a dot behind it.

    Examples
    --------
    >>> list(settings_of({"members": 3, "training": {"steps": 500}}))
    ['members=3', 'training.steps=500']
    """
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from settings_of(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}={json.dumps(value)}"


def _use(context: typer.Context, path: Path | None) -> Path | None:
    """Make the values of a file the defaults of the command's options."""
    if path is None:
        return None
    found = read_config(path)
    known = {str(parameter.name): parameter for parameter in context.command.params} | {
        option.lstrip("-").replace("-", "_"): parameter
        for parameter in context.command.params
        for option in parameter.opts
    }
    values = dict[str, Any]()
    for name, value in found.items():
        if name not in known or name in (_OPTION, "help"):
            matches = get_close_matches(name, known, n=1)
            hint = f" Did you mean '{matches[0].replace('_', '-')}'?" if matches else ""
            raise InvalidInputError(f"'{path}' has '{name}', which is no option of '{context.command_path}'.{hint}")
        values[str(known[name].name)] = _checked(path, name, value, known[name])
    context.default_map = {**(context.default_map or {}), **values}
    return path


def _takes_several(parameter: Any) -> bool:
    """Return True for options that may be repeated, and arguments of any number of words."""
    return bool(getattr(parameter, "multiple", False)) or parameter.nargs == -1


def _checked(path: Path, name: str, value: Any, parameter: Any) -> Any:
    """Return a value of the file as the parser of options takes it."""
    if name == _SETTINGS and isinstance(value, Mapping):
        return [*settings_of(value)]
    is_list, is_flag = _takes_several(parameter), bool(getattr(parameter, "is_flag", False))
    if is_flag != isinstance(value, bool):
        expected = "true or false" if is_flag else "a value, not true or false"
        raise InvalidInputError(f"'{name}' in '{path}' must be {expected}, got {shorten(repr(value))}.")
    if isinstance(value, Mapping) or (isinstance(value, list) and not is_list):
        kind = "a table" if isinstance(value, Mapping) else "a list"
        raise InvalidInputError(f"'{name}' in '{path}' must be a single value, got {kind}.")
    if is_list:
        return [str(item) for item in (value if isinstance(value, list) else [value])]
    return value if is_flag else str(value)


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        callback=_use,
        is_eager=True,
        help="Take options from a TOML file, such as 'egbad config' prints. Options of the command line override it.",
    ),
]


def with_config(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option --config, which sets the defaults of the other options, to a command.

    Parameters
    ----------
    command : callable

    Returns
    -------
    callable
        Function for Typer.
    """

    @wraps(command)
    def run(**arguments: Any) -> None:
        del arguments[_OPTION]
        command(**arguments)

    own = inspect.signature(command).parameters
    added = inspect.Parameter(_OPTION, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=ConfigFile)
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own.values()] + [added]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
