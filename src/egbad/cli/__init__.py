"""The command line `egbad`.

A command has two files, such as `fit` and `run_fit`. The first declares its options and imports nothing heavy, so that
`egbad --help` answers at once. The second does the work, and is imported when the command runs.
"""

from egbad.cli.main import main

__all__ = ["main"]
