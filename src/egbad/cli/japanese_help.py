"""Help in Japanese, laid out like that of Typer."""

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

# Characters between which lines may break, and characters that must not begin or end a line.
_WIDE = "\u3000-\u9fff\uff01-\uff60"
_PIECES = re.compile(rf"\s|[（「]*(?:[{_WIDE}]|[^\s{_WIDE}]+)[、。）」：ーァィゥェォッャュョ]*")
_EXTRA = re.compile(r"  \[(.*)\]$", re.DOTALL)


def read_texts() -> dict[str, str]:
    """Return the Japanese texts of the help.

    Returns
    -------
    dict of str to str
        Keys are paragraphs in English, without line breaks.
    """
    texts: dict[str, str] = json.loads(files("egbad.cli").joinpath("japanese.json").read_text(encoding="utf-8"))
    return texts


def paragraphs(text: str) -> list[str]:
    r"""Return the paragraphs of a help text, without line breaks.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of str

    Examples
    --------
    >>> paragraphs("Learn.\n\nThis takes\na minute.")
    ['Learn.', 'This takes a minute.']
    """
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]


def wrap(text: str, width: int) -> list[str]:
    """Break Japanese text into lines, at spaces and between Japanese characters.

    Parameters
    ----------
    text : str
    width : int
        In cells of a terminal. A Japanese character takes two.

    Returns
    -------
    list of str
        Punctuation stays with the character before or after it. A longer word has a line of its own.

    Examples
    --------
    >>> wrap("JSON で出力します。", 10)
    ['JSON で出', '力します。']
    """
    lines = [""]
    for piece in _PIECES.findall(text):
        if lines[-1] and cell_len(lines[-1] + piece) > width:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += piece if lines[-1] or piece.strip() else ""
    return lines


def describe(text: str, texts: Mapping[str, str]) -> str:
    """Translate the help of a parameter and its default.

    Parameters
    ----------
    text : str
        As Typer gives it, such as ``"Random seed.  [default: 0]"``.
    texts : mapping of str to str
        Texts as `read_texts` returns them. Other texts stay as they are.

    Returns
    -------
    str

    Examples
    --------
    >>> describe("HTML page to write.  [default: report.html]", read_texts())
    '書き出す HTML ページ。 [既定値: report.html]'
    """
    extra = _EXTRA.search(text)
    paragraph = " ".join(_EXTRA.sub("", text).split())
    notes = [part.partition(": ") for part in extra[1].split("; ")] if extra else []
    words = "; ".join(f"{texts.get(name, name)}{colon}{value}" for name, colon, value in notes)
    return f"{texts.get(paragraph, paragraph)} [{words}]" if words else texts.get(paragraph, paragraph)


def help_text(context: typer.Context) -> str:
    """Return the help of a command in Japanese.

    Parameters
    ----------
    context : typer.Context
        Context of the command.

    Returns
    -------
    str
        For the terminal or file that stdout is.
    """
    texts = read_texts()
    console = Console(highlight=False)
    with console.capture() as capture:
        for block in _blocks(context, texts):
            console.print(block)
    return capture.get().rstrip("\n")


def _blocks(context: typer.Context, texts: Mapping[str, str]) -> Iterator[RenderableType]:
    """Yield usage, description, and a panel for each group of parameters and for the subcommands."""
    command: Any = context.command
    usage = command.get_usage(context)
    for word in ("Usage:", "[OPTIONS]", "COMMAND [ARGS]..."):
        usage = usage.replace(word, texts[word])
    yield Padding(Text(usage, style="bold"), 1)
    for paragraph in paragraphs(command.help or ""):
        yield Padding(_Wrapped(texts.get(paragraph, paragraph)), (0, 1, 1, 1))
    panels: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        default_panel = "Arguments" if parameter.param_type_name == "argument" else "Options"
        if record := parameter.get_help_record(context):
            panels.setdefault(parameter.rich_help_panel or default_panel, []).append(
                (record[0], describe(record[1], texts))
            )
    for inner in getattr(command, "commands", {}).values():
        summary = paragraphs(inner.help or "")[0]
        panels.setdefault("Commands", []).append((inner.name, texts.get(summary, summary)))
    for title, rows in panels.items():
        yield _panel(texts.get(title, title), rows)


def _panel(title: str, rows: list[tuple[str, str]]) -> Panel:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(style="bold cyan", overflow="fold", max_width=34)
    table.add_column(ratio=1)
    for name, text in rows:
        table.add_row(Text(name), _Wrapped(text))
    return Panel(table, title=title, title_align="left", border_style="dim")


class _Wrapped:
    """Text whose lines break as Japanese does."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        yield Text("\n".join(wrap(self.text, options.max_width)))
