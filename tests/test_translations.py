"""The Japanese catalogues of the documentation are complete, up to date, and keep the markup of the English pages."""

import ast
import re
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CATALOGUES = DOCS / "locale" / "ja" / "LC_MESSAGES"

# Pages of the patterns in conf.py that are not translated yet.
UNTRANSLATED: set[str] = set()

NUMBER_WORDS = {
    **{"once": "1", "one": "1", "first": "1", "twice": "2", "two": "2", "second": "2", "three": "3", "third": "3"},
    **{"four": "4", "five": "5", "fives": "5", "six": "6", "seven": "7", "sevens": "7", "eight": "8", "nine": "9"},
    **{
        "ten": "10",
        "twelve": "12",
        "half": "0.5",
        "twenty": "20",
        "thirty": "30",
        "hundred": "100",
        "thousand": "1,000",
    },
}
MARKDOWN = MarkdownIt("commonmark").enable("table")
MATH = re.compile(r"\$\$.*?\$\$|\$[^$]+\$", re.DOTALL)


@dataclass
class Entry:
    id: str = ""
    text: str = ""
    comment: str = ""


def entries(path):
    """Read the entries of a catalogue, without its header."""
    found, field = [Entry()], "id"
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            found[-1].comment += line
        elif match := re.match(r'(msgid|msgstr)?\s*(".*")$', line):
            field = {"msgid": "id", "msgstr": "text"}.get(match[1], field)
            setattr(found[-1], field, getattr(found[-1], field) + ast.literal_eval(match[2]))
        else:
            assert not line, f"{path.name}: {line}"
            found.append(Entry())
    return [entry for entry in found[1:] if entry.id or entry.comment]


def translated_pages():
    tree = ast.parse((DOCS / "conf.py").read_text(encoding="utf-8"))
    (patterns,) = (
        ast.literal_eval(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TRANSLATED"
    )
    pages = {page.relative_to(DOCS).with_suffix("") for pattern in patterns for page in DOCS.glob(f"{pattern}.md")}
    return sorted(page.as_posix() for page in pages if page.as_posix() not in UNTRANSLATED)


def markup(text):
    """Count what a translation must keep: code, roles, links, images, emphasis and formulas."""
    parts = [f"math {formula}" for formula in MATH.findall(text)]
    parts += re.findall(r"\{[\w:]+\}(?=`)", text)
    text = re.sub(r"\{term\}`[^`]*`", "", MATH.sub("", text))  # the build checks the terms, which are translated
    for token in MARKDOWN.parseInline(text)[0].children:
        if token.type == "code_inline":
            parts.append(f"code {token.content}")
        elif token.type in ("link_open", "image"):
            parts.append(f"{token.type} {token.attrs.get('href') or token.attrs.get('src')}")
        elif token.type in ("strong_open", "em_open"):
            parts.append(token.type)
    return Counter(parts)


def words(text):
    """Return the text without code, formulas and the targets of links."""
    return re.sub(r"`[^`]*`|\]\([^)]*\)", "", MATH.sub("", text))


def numbers(text):
    return Counter(re.findall(r"\d[\d,]*(?<!,)(?:\.\d+)?", words(text)))


def apart(glossary):
    """Return a glossary with its terms and definitions as paragraphs."""
    return re.sub(r"\n  ", "\n", re.sub(r"^(\S.*)$", r"\1\n", glossary[0], flags=re.MULTILINE))


def messages(page):
    """Return the texts of a page that have words, as the catalogues name them."""
    file = DOCS / f"{page}.md"
    text = import_module("repository_pages").with_site_links(file.read_text(encoding="utf-8"), file)
    text = re.sub(r"^```\{.*?^```$|<!--.*?-->", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^:{3}\{glossary\}.*?^:{3}$", apart, text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^:{3,}(?:\{[\w-]+\})?(?:[ \d]+$)?|^:[\w-]+:.*$", "", text, flags=re.MULTILINE)
    found = {
        " ".join(token.content.split())
        for token in MARKDOWN.parse(text)
        if token.type == "inline" and re.search(r"[^\W\d_]{2}", re.sub(r"`[^`]*`", "", MATH.sub("", token.content)))
    }
    return found | {alt for message in found for alt in re.findall(r"!\[([^]]*)\]\((?!.*/drawings/)", message)}


@pytest.mark.parametrize("page", translated_pages())
def test_catalogues_have_the_texts_of_their_pages(page, monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "_extensions")
    assert {entry.id for entry in entries(CATALOGUES / f"{page}.po")} == messages(page), "Run `make translations`."


def test_every_catalogue_belongs_to_a_page():
    catalogues = {path.relative_to(CATALOGUES).with_suffix("").as_posix() for path in CATALOGUES.rglob("*.po")}
    assert catalogues - {"sphinx"} == set(translated_pages())  # sphinx.po replaces a text of Sphinx


@pytest.mark.parametrize("page", translated_pages())
def test_texts_are_translated(page):
    found = entries(CATALOGUES / f"{page}.po")
    assert found
    assert [entry.id for entry in found if not entry.text] == []
    assert [entry.id for entry in found if re.search(r"fuzzy|^#[~|]", entry.comment)] == []


@pytest.mark.parametrize("page", translated_pages())
def test_translations_keep_code_links_emphasis_and_numbers(page):
    for entry in entries(CATALOGUES / f"{page}.po"):
        assert markup(entry.text) == markup(entry.id), entry.text
        in_words = {NUMBER_WORDS[word] for word in re.findall(r"[a-z]+", entry.id.lower()) if word in NUMBER_WORDS}
        assert not numbers(entry.id) - numbers(entry.text), f"missing in: {entry.text}"
        assert set(numbers(entry.text) - numbers(entry.id)) <= in_words, f"new in: {entry.text}"


def test_an_incomplete_catalogue_is_noticed(tmp_path):
    path = tmp_path / "page.po"
    header = 'msgid ""\nmsgstr ""\n"Language: ja\\n"\n\n'
    path.write_text(
        header
        + 'msgid "Use `fit`, 2 times."\nmsgstr ""\n"`fit` を "\n"二回使います。"\n\n#, fuzzy\nmsgid "x"\nmsgstr "y"\n'
    )
    first, second = entries(path)
    assert first.text == "`fit` を 二回使います。"
    assert markup(first.text) == markup(first.id) == {"code fit": 1}
    assert numbers(first.id) - numbers(first.text) == {"2": 1}
    assert second.comment == "#, fuzzy"


# -- the Japanese README -----------------------------------------------------------------------------------------------


def readme(name):
    return (ROOT / name).read_text(encoding="utf-8")


def code(text):
    """Return the lines of code without comments and the choice of Japanese reports."""
    tokens = MARKDOWN.parse(text)
    blocks = "\n".join(token.content for token in tokens if token.type in ("fence", "code_block"))
    lines = (re.sub(r" --language ja| +#.*", "", line) for line in blocks.splitlines())
    return [line for line in lines if line.strip()]


def targets(text):
    """Return the targets of links and pictures, one README for the other and the Japanese picture for the English one."""
    found = (target.replace("-ja.png", ".png") for target in re.findall(r"\]\(([^)]*)\)", text))
    return Counter(re.sub(r"README(\.ja)?\.md", "README", target) for target in found)


def test_the_japanese_readme_has_the_code_sections_links_and_tables_of_the_english_one():
    english, japanese = readme("README.md"), readme("README.ja.md")
    assert code(japanese) == code(english)
    assert targets(japanese) == targets(english)
    for mark in (r"^#+ ", r"^\| ", r"^[-] "):
        assert len(re.findall(mark, japanese, re.MULTILINE)) == len(re.findall(mark, english, re.MULTILINE)), mark
