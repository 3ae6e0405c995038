"""The language of the help: English, or Japanese by `--language ja` or by the locale.

The commands hold the English texts. The file `japanese.json` maps each of their paragraphs to its Japanese text, and is read only
when help is printed in Japanese.
"""

import os
import sys
from collections.abc import Mapping
from typing import Any

import typer

from egbad.errors import unknown

LANGUAGES = ("en", "ja")
_META_KEY = "egbad.cli.language"


def choose_language(context: typer.Context, language: str | None) -> str | None:
    """Set the language of the help of a command and its subcommands.

    Parameters
    ----------
    context : typer.Context
    language : {"en", "ja"} or None
        None leaves the choice to the locale.

    Returns
    -------
    str or None
        The language.

    Raises
    ------
    InvalidInputError
        If there is no such language.
    """
    if language is not None:
        if language not in LANGUAGES:
            raise unknown("language", language, LANGUAGES)
        context.meta[_META_KEY] = language
    return language


def locale_language(environment: Mapping[str, str]) -> str:
    """Return the language of the locale, from the variables that gettext reads.

    Parameters
    ----------
    environment : mapping of str to str

    Returns
    -------
    str
        "ja" or "en".

    Examples
    --------
    >>> locale_language({"LANG": "ja_JP.UTF-8"})
    'ja'
    >>> locale_language({"LANG": "ja_JP.UTF-8", "LC_ALL": "C"})
    'en'
    """
    names = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    locale = next((environment[name] for name in names if environment.get(name)), "")
    return "ja" if locale.startswith("ja") else "en"


class HelpContext(typer.Context):
    """A context whose help is in the language of the user."""

    def get_help(self) -> str:
        """Return the help of the command. English is what Typer makes, and is printed by Typer if it uses rich."""
        language = self.meta.get(_META_KEY) or locale_language(os.environ)
        if language == "en" or not _prints_japanese(getattr(sys.stdout, "encoding", None)):
            return super().get_help()
        from egbad.cli import japanese_help  # imports rich

        return japanese_help.help_text(self)


def use_help_context(command: Any) -> None:
    """Make a command and its subcommands print their help in the language of the user.

    Parameters
    ----------
    command : typer.core.TyperCommand or typer.core.TyperGroup
    """
    command.context_class = HelpContext
    for inner in getattr(command, "commands", {}).values():
        use_help_context(inner)


def _prints_japanese(encoding: str | None) -> bool:
    """Return True if an encoding has Japanese characters.

    >>> _prints_japanese("utf-8"), _prints_japanese("ascii")
    (True, False)
    """
    try:
        "使い方".encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
