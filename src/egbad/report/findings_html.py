"""FindingsReport to look at: one HTML page that opens without a network, or Markdown, in the reader's language."""

from collections.abc import Sequence
from html import escape

import numpy as np

from egbad.report.charts import histogram_chart, loss_chart
from egbad.report.findings import Array, Finding, FindingImages, FindingsReport
from egbad.report.html import document, figure, health_list, table, template
from egbad.report.image_grid import apply_magma, png_data_uri, to_channels_first, to_pixels
from egbad.report.markdown import cell, facts, health
from egbad.report.messages import Messages, percent


def findings_to_html(found: FindingsReport, language: str = "en") -> str:
    """The findings as one HTML page with nothing to load from anywhere."""
    words = Messages(language)
    body = template("findings.html").substitute(
        title=escape(_title(found, words)),
        lead=escape(_lead(found, words)),
        charts="\n".join(_charts(found, words)),
        causes=_causes(found, words),
        top_title=escape(words("top")),
        top=_top(found, words),
        method=escape(words("method", method=found.method)),
        health_title=escape(words("health")),
        health=health_list(health(found), words("well")),
        losses="\n".join(_losses(found, words)),
        card_title=escape(words("card")),
        facts_title=escape(words("facts")),
        facts=table(facts(found)),
        again=escape(words("again")),
        command=escape(found.command),
    )
    return document(_title(found, words), body, language)


def findings_to_markdown(found: FindingsReport, language: str = "en") -> str:
    """The findings as Markdown, without pictures."""
    words = Messages(language)
    lines = [f"# {cell(_title(found, words))}", "", _lead(found, words), ""]
    if found.groups:
        lines += [f"## {words('causes')}", "", *_some(found, words)]
        lines += [f"- {cause}" for cause in _cause_lines(found, words)] + [""]
    heads = (words("place"), words("score"), words("p"), words("terms"), words("reasons"))
    lines += [f"## {words('top')}", "", f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    for one in found.top:
        row = (words.place(one.place), f"{one.score:.4g}", f"{one.p_value:.4g}", words.terms(one.terms, one.spread))
        why = "; ".join(_why(one, found, words))
        lines.append(f"| {' | '.join(cell(part) for part in (*row, why))} |")
    lines += ["", words("method", method=found.method), "", f"## {words('health')}", ""]
    lines += [f"- {sentence}" for sentence in health(found)] or [words("well")]
    lines += ["", f"## {words('card')}", "", "| | |", "| --- | --- |"]
    lines += [f"| {cell(name)} | {cell(value)} |" for name, value in facts(found)]
    return "\n".join([*lines, "", f"{words('again')}:", "", f"    {found.command}", ""])


# -- what both say -----------------------------------------------------------------------------------------------------


def _title(found: FindingsReport, words: Messages) -> str:
    return words("title", model=found.model, data=found.source)


def _lead(found: FindingsReport, words: Messages) -> str:
    low, high = found.interval
    return words(
        "lead" if found.flagged else "none",
        counted=words.counted(found.n, found.kind),
        flagged=f"{found.flagged:,}",
        share=percent(found.share),
        low=percent(low),
        high=percent(high),
        alpha=percent(found.alpha),
    )


def _some(found: FindingsReport, words: Messages) -> list[str]:
    """A sentence that not all that is flagged was looked at, where that is so."""
    if found.explained == found.flagged:
        return []
    return [words("causes of some", counted=words.counted(found.explained, found.kind)), ""]


def _cause_lines(found: FindingsReport, words: Messages) -> list[str]:
    return [
        words(
            "cause",
            counted=words.counted(len(one.rows), found.kind),
            place=words.place(found.places[one.rows[0]]),
            what=words.cause(one, found.kinds),
        )
        for one in found.groups
    ]


def _why(one: Finding, found: FindingsReport, words: Messages) -> list[str]:
    """Its reasons, a sentence each."""
    if found.kind == "images":
        return [words("region", name=words.region(r.column), weight=percent(r.share)) for r in one.reasons]
    return [words.reason(reason, found.kinds.get(reason.column, "number")) for reason in one.reasons]


# -- HTML --------------------------------------------------------------------------------------------------------------


def _charts(found: FindingsReport, words: Messages) -> list[str]:
    labels = {"x_label": words("score"), "y_label": words("share of kind"), "mark": words("threshold")}
    chart = histogram_chart(words("scores"), found.histogram, found.threshold, **labels)
    keys = " ".join(
        f'<span class="key {kind}"></span>{escape(words(name))}'
        for kind, name in (("normal", "usual"), ("anomaly", "flagged"))
    )
    return [figure(chart, f"{escape(words('scores'))}: {keys}")]


def _losses(found: FindingsReport, words: Messages) -> list[str]:
    return [
        figure(
            loss_chart(
                words("training", name=name),
                found.losses,
                name,
                x_label=words("step"),
                y_label=words("loss", name=name),
            ),
            escape(words("training", name=name)),
        )
        for name in found.losses.values
    ]


def _causes(found: FindingsReport, words: Messages) -> str:
    """What is flagged has in common; nothing where nothing is flagged."""
    if not found.groups:
        return ""
    most = max(len(cause.rows) for cause in found.groups)
    items = "".join(
        f'<li><span class="share" style="--part: {len(one.rows) / most:.3f}"></span>{escape(line)}</li>'
        for one, line in zip(found.groups, _cause_lines(found, words), strict=True)
    )
    some = "".join(f"<p>{escape(line)}</p>" for line in _some(found, words) if line)
    return f'<section>\n<h2>{escape(words("causes"))}</h2>\n{some}<ul class="causes">{items}</ul>\n</section>'


def _top(found: FindingsReport, words: Messages) -> str:
    pictures = _pictures(found.shown, words) if found.shown is not None else [""] * len(found.top)
    items = [_item(one, found, words, picture) for one, picture in zip(found.top, pictures, strict=True)]
    return f'<ol class="findings">{"".join(items)}</ol>'


def _item(one: Finding, found: FindingsReport, words: Messages, picture: str) -> str:
    kind = "anomaly" if one.flagged else "normal"
    numbers = (
        f'<span class="score {kind}">{escape(words("score"))} {one.score:.4g}</span> '
        f'<span class="faint">{escape(words("p"))} {one.p_value:.3g} · {escape(words.terms(one.terms, one.spread))}</span>'
    )
    why = "".join(f"<li>{escape(reason)}</li>" for reason in _why(one, found, words))
    return (
        f'<li><b class="place">{escape(words.place(one.place))}</b> {numbers}{picture}<ul class="why">{why}</ul></li>'
    )


def _pictures(shown: FindingImages, words: Messages) -> list[str]:
    """For each finding its image, what was expected, where it is strange, and normal images like it, on one scale each."""
    image, expected = ([to_channels_first(one[None])[0] for one in images] for images in (shown.image, shown.expected))
    low, high = min(float(one.min()) for one in image), max(float(one.max()) for one in image)
    heat = np.concatenate([one.ravel() for one in shown.heat])
    reach = float(np.quantile(heat, 0.999)) or 1.0  # of all, so that heat compares
    found = []
    for i in range(len(image)):
        parts: list[tuple[str, Sequence[str]]] = [
            (words("image"), [png_data_uri(to_pixels(image[i], low, high))]),
            (words("rebuilt"), [png_data_uri(to_pixels(expected[i], low, high))]),
            (words("heat"), [png_data_uri(apply_magma(np.clip(shown.heat[i] / reach, 0, 1)))]),
            (words("nearest"), _normal(shown.nearest[i], low, high)),
        ]
        cells = "".join(
            f"<figure>{''.join(_img(uri, caption) for uri in uris)}<figcaption>{escape(caption)}</figcaption></figure>"
            for caption, uris in parts
            if uris
        )
        found.append(f'<div class="strip">{cells}</div>')
    return found


def _normal(images: Array, low: float, high: float) -> list[str]:
    return [png_data_uri(to_pixels(one, low, high)) for one in to_channels_first(images)] if len(images) else []


def _img(uri: str, alt: str) -> str:
    return f'<img src="{uri}" alt="{escape(alt)}">'
