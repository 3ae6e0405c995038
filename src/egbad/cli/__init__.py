"""The command line: `egbad --help`. Nothing heavy is imported before a command needs it."""

from egbad.cli.main import main

__all__ = ["main"]
