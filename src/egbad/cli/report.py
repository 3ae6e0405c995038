"""The command that writes a report: what a model finds in new data, and why."""

import shlex
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from egbad.cli import inputs, loading, output
from egbad.cli.app import app
from egbad.cli.options import AsJson, DataDir, DataSource, ImageSize, LabelColumn, ModelFile, SkipBad
from egbad.errors import InvalidInputError

if TYPE_CHECKING:
    from egbad.data import Data, Stream
    from egbad.report import FindingsReport

FORMATS = (".html", ".md", ".json")
_MOST = 1000  # rows or images that are explained


@app.command()
def report(
    model: ModelFile,
    data: DataSource,
    out: Annotated[Path, typer.Option(help="A .html, .md or .json file.")] = Path("report.html"),
    top: Annotated[int, typer.Option(min=1, max=_MOST, help="How many of the highest scores are shown.")] = 20,
    explain: Annotated[int, typer.Option(metavar="K", min=1, help="How many columns tell of each.")] = 3,
    language: Annotated[str, typer.Option(help="en or ja.")] = "en",
    label_column: LabelColumn = None,
    image_size: ImageSize = None,
    skip_bad: SkipBad = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write a page on what MODEL finds in DATA: how much is flagged, what first, why, and what that has in common.

    The highest scores are explained, at most a thousand; DATA may be larger than memory. The page needs no network.
    """
    if out.suffix.lower() not in FORMATS:
        raise InvalidInputError(f"A report is a file that ends in {', '.join(FORMATS)}, got '{out.name}'.")
    output.check_target(out)
    from egbad.report import findings_report
    from egbad.report.messages import Messages

    Messages(language)  # refused before the work is done
    scorer = loading.load_model(model)
    if not hasattr(scorer, "explain"):
        raise InvalidInputError("An exported graph gives no reasons. Report with the model that it was exported from.")
    source = inputs.Source(data, label_column, image_size, data_dir, like=scorer, skip_unreadable=skip_bad)
    stream = source.stream()
    scores, highest = _scored(scorer, stream)
    output.note_bad(stream.unreadable)
    found = findings_report(
        scorer,
        scores,
        scorer.explain(highest.whole()),
        highest.places,
        model_name=model.stem,
        data_name=Path(data).name,
        command=shlex.join(["egbad", *sys.argv[1:]]),
        n_top=top,
        n_reasons=explain,
        data={"left out": stream.unreadable} if stream.unreadable else {},
    )
    _write(found, out, language)
    if as_json:
        output.show_json(_told(found) | {"report": str(out)})
    else:
        output.note(
            f"{found.n_samples:,} {found.kind}, {found.n_flagged:,} flagged ({found.flagged_share:.2%}), reported in {out}."
        )


def _write(found: "FindingsReport", out: Path, language: str) -> None:
    """FindingsReport as the kind of file that `out` is."""
    from egbad.model_file import atomic_write
    from egbad.report import findings_to_html, findings_to_json, findings_to_markdown

    with atomic_write(out) as draft:
        text = {
            ".html": lambda: findings_to_html(found, language),
            ".md": lambda: findings_to_markdown(found, language),
            ".json": lambda: findings_to_json(found),
        }[out.suffix.lower()]()
        draft.write_text(text, encoding="utf-8")


def _told(found: "FindingsReport") -> dict[str, Any]:
    """What a program wants to know of findings."""
    return {
        "rows": found.n_samples,
        "flagged": found.n_flagged,
        "flagged_share": found.flagged_share,
        "interval": list(found.interval),
        "threshold": found.threshold,
        "causes": [{"rows": len(cause.rows), "columns": list(cause.names)} for cause in found.groups],
    }


@dataclass
class _Highest:
    """The rows or images with the highest scores so far, the highest first, and where they are."""

    data: "Data | None" = None
    scores: Any = None
    places: list[Any] = field(default_factory=list)

    def add(self, data: "Data", scores: Any) -> None:
        """Those of the next batch."""
        import numpy as np

        best = np.argsort(-scores, kind="stable")[:_MOST]
        some, places = replace(data, x=data.x[best], labels=None), [_place(data, i) for i in best.tolist()]
        if self.data is None:
            self.data, self.scores, self.places = some, scores[best], places
            return
        texts = {j: {**own, **some.category_labels.get(j, {})} for j, own in self.data.category_labels.items()}
        both = np.concatenate([self.scores, scores[best]])
        order = np.argsort(-both, kind="stable")[:_MOST]
        self.data = replace(self.data, x=np.concatenate([self.data.x, some.x])[order], category_labels=texts)
        self.scores, self.places = both[order], [(self.places + places)[i] for i in order.tolist()]

    def whole(self) -> "Data":
        """All of them."""
        if self.data is None:
            raise InvalidInputError("There must be a row or an image to report on, got none.")
        return replace(self.data, files=None, first_row=0, source=None)


def _place(data: "Data", i: int) -> Any:
    """Where the i-th row or image of a batch was found."""
    from egbad.report import RowLocation

    return RowLocation(file=data.files[i]) if data.files else RowLocation(data.source, data.first_row + i)


def _scored(scorer: Any, stream: "Stream") -> tuple[Any, _Highest]:
    """The scores of everything, and what has the highest."""
    import numpy as np

    from egbad.progress import progress

    parts, highest = [np.empty(0)], _Highest()
    with progress("Scoring", stream.n_rows, unit="rows") as advance:
        for data in stream.batches:
            scores = scorer.anomaly_score(data)
            highest.add(data, scores)
            parts.append(scores)
            advance(len(scores))
    return np.concatenate(parts), highest
