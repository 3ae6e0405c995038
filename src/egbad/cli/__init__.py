"""The command line: `egbad --help`. Nothing heavy is imported before a command needs it."""

from egbad.cli.entry import main

__all__ = ["main"]
