"""The reference of the HTTP service, made from the description that the service itself gives (OpenAPI)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from egbad.service.app import create_app
from egbad.service.auth import Tokens
from egbad.service.middleware import Guard
from egbad.service.server import make_service
from egbad.service.settings import ServiceSettings

if TYPE_CHECKING:  # a test reads the text without Sphinx
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata

MARK = "<!-- service -->"


def description() -> dict[str, Any]:
    """Return the OpenAPI description of a service without models."""
    service = make_service([], ServiceSettings())
    service.executor.shutdown()
    schema: dict[str, Any] = create_app(service, Guard(Tokens({}), None)).app.openapi()
    return schema


def markdown() -> str:
    """Return a section for each route, a table of errors, and a section for each object of bodies and answers."""
    schema = description()
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    lines = ["## Routes", ""]
    for route, operation in operations:
        lines += _route(route, operation)
    errors = {
        status: answer["description"]
        for _, operation in operations
        for status, answer in operation["responses"].items()
        if int(status) >= 400
    }
    lines += [
        "## Errors",
        "",
        "The body of an error is a [Problem](#problem).",
        "",
        "| status | reason |",
        "| --- | --- |",
    ]
    lines += [f"| {status} | {_escape(text)} |" for status, text in sorted(errors.items())]
    lines += ["", "## Objects", ""]
    for name, definition in schema["components"]["schemas"].items():
        if not name.endswith("ValidationError"):  # FastAPI's own; the service answers with a Problem
            lines += _object(name, definition)
    return "\n".join(lines)


def _route(route: str, operation: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of one route."""
    yield from (f"### {_escape(route)}", "", _escape(operation.get("description", "")), "")
    for parameter in operation.get("parameters", ()):
        text = parameter.get("description") or f"In the {parameter['in']}."
        yield from (f"`{parameter['name']}` ({_type(parameter.get('schema', {}))})", f": {_escape(text)}", "")
    if body := operation.get("requestBody", {}).get("content", {}):
        kinds = "; ".join(_content(kind, content) for kind, content in body.items())
        yield from ("Body", f": {kinds}", "")
    for status, answer in operation["responses"].items():
        if int(status) < 400:
            kinds = "; ".join(_content(kind, content) for kind, content in answer.get("content", {}).items())
            yield from (f"Status {status}", f": {kinds or 'no body'}", "")
    if errors := [status for status in operation["responses"] if int(status) >= 400]:
        yield from ("Errors", f": {', '.join(errors)}", "")


def _content(kind: str, content: dict[str, Any]) -> str:
    """Return a media type, and the type of what it holds if that says more."""
    name = _type(content.get("schema", {}))
    return f"`{kind}`" if name in ("any value", "binary") else f"`{kind}`: {name}"


def _object(name: str, definition: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of one object."""
    yield from (f"### {name}", "", _escape(definition.get("description", "")), "")
    yield from ("| key | type | description |", "| --- | --- | --- |")
    for key, value in definition.get("properties", {}).items():
        optional = "" if key in definition.get("required", ()) else ", optional"
        yield f"| `{key}` | {_type(value)}{optional} | {_escape(value.get('description', ''))} |"
    yield ""


def _type(schema: dict[str, Any]) -> str:
    """Return a type in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_type(one) for one in schema[key]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if schema.get("type") == "object" and schema.get("properties"):
        return f"object with {', '.join(schema['properties'])}"
    name = str(schema.get("format") or schema.get("type") or "any value")
    return {"boolean": "true or false"}.get(name, name)


def _escape(text: str) -> str:
    """Return plain text as Markdown on one line."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>#|$" else sign for sign in " ".join(text.split()))


def _read(app: "Sphinx", page: str, source: list[str]) -> None:
    """Insert the sections, which are in English on all sites: they are no messages for the catalogues."""
    if MARK in source[0] and app.builder.name != "gettext":
        source[0] = source[0].replace(MARK, markdown())


def setup(app: "Sphinx") -> "ExtensionMetadata":
    """Connect the reader of pages."""
    app.connect("source-read", _read)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
