"""The command line of a parsed command, for reports that say how to repeat them."""

import shlex

import typer

from egbad.cli.csv_options import GIVEN_DATA
from egbad.output_files import printable


def command_line(context: typer.Context) -> str:
    """Return the command line that gives a parsed command, ready for a shell.

    Arguments come first, then the options that were given, in the order of the command's help. The words of the process
    are not read, so that the result is also correct when `main([...])` is called from Python.

    Parameters
    ----------
    context : typer.Context

    Returns
    -------
    str
    """
    words = context.command_path.split()
    parameters = sorted(context.command.params, key=lambda parameter: parameter.param_type_name != "argument")
    for parameter in parameters:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[name]
        if parameter.param_type_name == "argument":
            words.append(str(context.meta.get(GIVEN_DATA, value) if name == "data" else value))
        elif isinstance(value, bool):
            words.append((parameter.opts if value else parameter.secondary_opts)[0])
        else:
            values = value if isinstance(value, list | tuple) else [value]
            words += [word for item in values for word in (parameter.opts[0], str(item))]
    return printable(shlex.join(words))
