"""Options that several commands share and receive as one argument."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any


def add_options(
    command: Callable[..., None], declare: Callable[..., Any], argument: str, build: Callable[..., Any]
) -> Callable[..., None]:
    """Replace a parameter of a command by several options.

    Parameters
    ----------
    command : callable
        Function with a parameter named `argument`.
    declare : callable
        Function whose parameters are the options, as Typer reads them.
    argument : str
    build : callable
        Takes the values of the options by name, and returns the value of `argument`.

    Returns
    -------
    callable
        Function for Typer.
    """
    added = inspect.signature(declare).parameters
    own = {name: parameter for name, parameter in inspect.signature(command).parameters.items() if name != argument}

    @wraps(command)
    def run(**arguments: Any) -> None:
        given = {name: arguments.pop(name) for name in added}
        command(**arguments, **{argument: build(**given)})

    parameters = [*own.values(), *added.values()]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
