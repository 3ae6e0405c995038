"""The command `egbad doctor`."""

import typer

from egbad.cli import run_doctor
from egbad.cli.options import AsJson

app = typer.Typer()


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Print versions, extras, devices and environment variables, for a bug report.

    Secrets are not printed, and the home folder is shortened to '~'. Problems of the installation are listed at the end.
    """
    run_doctor.print_installation(as_json=as_json)
