"""The command `egbad demo`."""

from pathlib import Path
from typing import Annotated

import typer

from egbad.cli.options import AsJson, Seed
from egbad.cli.output_check import check_outputs
from egbad.errors import InvalidInputError

app = typer.Typer()

PageOutput = Annotated[Path, typer.Option(metavar="FILE", help="HTML page to write.")]
NormalDigit = Annotated[int, typer.Option(min=0, max=9, help="Digit to learn.")]
AnomalousDigit = Annotated[int, typer.Option(min=0, max=9, help="Digit to detect.")]


@app.command()
def demo(
    out: PageOutput = Path("report.html"),
    seed: Seed = 0,
    normal: NormalDigit = 5,
    anomaly: AnomalousDigit = 7,
    as_json: AsJson = False,
) -> None:
    """Learn one handwritten digit, detect another, and write a report, in about a minute."""
    check_outputs({"--out": out}, {"the data set": "mnist5k"})
    if normal == anomaly:
        raise InvalidInputError(f"The two digits must differ, got {normal} twice. Choose another --anomaly.")
    from egbad.cli import run_demo

    result = run_demo.run_demo(normal=normal, anomaly=anomaly, seed=seed, out=out, verbose=not as_json)
    run_demo.print_result(result, normal, anomaly, as_json=as_json)
