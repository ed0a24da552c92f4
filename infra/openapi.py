"""The OpenAPI document: the app's own routes, the types by which their views are annotated, and examples.

`python -m infra openapi` writes it to chalicelib/openapi.json, which GET /openapi.json serves, and the same
calls for people to docs/api-calls.md; a test fails when they disagree. The examples are
docs/api-examples.json: for each operation what is asked (`path`, `query`, `body`) and the `answer`.
https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import sys
import textwrap
import types
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, Union
from urllib.parse import quote

from chalice.app import Chalice

from chalicelib.errors import Error

WHEN = {
    400: "Something in the request, which `field` names",
    403: "Another site's page, or AWS does not allow it; behind API Gateway, a missing signature",
    404: "There is no such thing",
    409: "Its state does not allow it",
    413: "Too large to be read or answered",
    415: "The body is not JSON",
    501: "The stage lacks a setting, which is named",
    502: "AWS refused, or was not reached; trying again may help",
}
ABOUT = (
    "Where a stage stands, and what people may do about it. Times are ISO 8601 in UTC to the millisecond, "
    "durations are seconds unless the name says otherwise; what is not known is null, never 0. An error is "
    '`{"error": "field: what is wrong"}`. Every request but GET /health is signed (AWS Signature Version 4, '
    "`execute-api:Invoke`); `chalice local` serves the same without a signature, with the operator's own "
    "credentials."
)
EXAMPLES = Path(__file__).parent.parent / "docs" / "api-examples.json"
HERE = "http://127.0.0.1:8000"  # of `make status` and `make run`
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
Schema = dict[str, Any]


def document(app: Chalice) -> Schema:
    """The OpenAPI 3.1 document. Raises AttributeError for a route that app.py did not bind by Routes."""
    schemas: Schema = {}
    paths: Schema = {}
    examples = json.loads(EXAMPLES.read_text())
    for path, views in sorted(app.routes.items()):
        for method, entry in sorted(views.items()):
            operation = _operation(path, entry, schemas)
            _show(operation, examples.get(operation["operationId"], {}))
            paths.setdefault(path, {})[method.lower()] = {**operation, "tags": [_tag(entry)]}
    error = _schema(Error, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "S3 event scheduler",
            "version": "1",
            "description": ABOUT,
        },
        "tags": _tags(app),
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": {_name(status): _answer(when, error) for status, when in WHEN.items()},
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4; `chalice local` asks for none",
                }
            },
        },
    }


def _tag(entry: Any) -> str:
    """The package whose route it is."""
    return str(entry.view_function.__module__.split(".")[1])


def _tags(app: Chalice) -> list[Schema]:
    """In the order in which app.py binds them, described by their modules."""
    described = {}
    for views in app.routes.values():
        for entry in views.values():
            text = str(sys.modules[entry.view_function.__module__].__doc__).strip().partition(" (")[0]
            described[_tag(entry)] = re.sub(r"^/\S+: ", "", text).rstrip(".")
    return [{"name": tag, "description": text[0].upper() + text[1:]} for tag, text in described.items()]


def write(app: Chalice, root: Path) -> tuple[Path, Path]:
    """Write the document where the app serves it from, and its calls for people."""
    found = document(app)
    file, calls_file = root / "chalicelib" / "openapi.json", root / "docs" / "api-calls.md"
    file.write_text(text(found))
    calls_file.write_text(calls(found))
    return file, calls_file


def calls(found: Schema) -> str:
    """Every call with its example, as Markdown. Made from the document alone."""
    lines = ["# Every call of the API, with an example", ""]
    about = f"Made from [the document](../chalicelib/openapi.json) by `make openapi`. {ABOUT}"
    lines += [*textwrap.wrap(about, 110, break_long_words=False), ""]
    lines += [
        f"`{HERE}` is `make status`, or `make run`; [a signed call](operations.md#from-a-terminal)",
        "of the deployed API.",
    ]
    for tag in found["tags"]:
        lines += ["", f"## {tag['description']}"]
        for path, methods in found["paths"].items():
            for method, operation in methods.items():
                if operation["tags"] == [tag["name"]]:
                    lines += [
                        "",
                        f"### {method.upper()} {path}",
                        "",
                        operation["summary"],
                        *_call(path, method, operation),
                    ]
    return "\n".join(lines) + "\n"


def _call(path: str, method: str, operation: Schema) -> Iterator[str]:
    """One call as it is typed, and its answer."""
    query = []
    for parameter in operation["parameters"]:
        if "example" in parameter:
            value = quote(str(parameter["example"]), safe="")
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", value)
            else:
                query.append(f"{parameter['name']}={value}")
    url = f"{HERE}{path}" + (f"?{'&'.join(query)}" if query else "")
    asked = "" if method == "get" else f"-X {method.upper()} "
    if "requestBody" in operation:
        body = json.dumps(operation["requestBody"]["content"]["application/json"]["example"])
        asked += f"-H 'Content-Type: application/json' -d '{body}' "
    yield from ("", "```", f"curl {asked}'{url}'", "```")
    for media, content in operation["responses"]["200"]["content"].items():
        if media == "application/json" and "example" in content:
            yield from ("", "```json", json.dumps(content["example"], indent=2, ensure_ascii=False), "```")


def _show(operation: Schema, example: Schema) -> None:
    """Put the example into the operation."""
    asked = {**example.get("path", {}), **example.get("query", {})}
    for parameter in operation["parameters"]:
        if parameter["name"] in asked:
            parameter["example"] = asked[parameter["name"]]
    if "body" in example:
        operation["requestBody"]["content"]["application/json"]["example"] = example["body"]
    if "answer" in example:
        operation["responses"]["200"]["content"]["application/json"]["example"] = example["answer"]


def text(found: Schema) -> str:
    """As JSON with a line for each operation, schema and answer: short, and a change shows where it is."""

    def lines(value: Any, depth: int) -> Iterator[str]:
        if not depth or not isinstance(value, dict):
            yield json.dumps(value)
            return
        for number, (name, inner) in enumerate(value.items()):
            yield f"{',' if number else '{'}\n{json.dumps(name)}: "
            yield from lines(inner, depth - 1)
        yield "\n}"

    return "".join(lines(found, 3)) + "\n"


def _operation(path: str, entry: Any, schemas: Schema) -> Schema:
    view = entry.view_function
    hints = _hints(view)
    errors = set(view.documented["errors"])
    if entry.authorizer:
        errors |= {403, 502}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", path)
    ]
    if "query" in hints:
        parameters += _query(hints["query"], schemas)
        errors |= {400}
    answer = {media: _bytes(media) for media in view.documented["media"]} or {
        "application/json": _schema(hints["return"], schemas)
    }
    content = {media: {"schema": schema} for media, schema in answer.items()}
    summary, _, more = inspect.cleandoc(view.__doc__).partition("\n")
    operation: Schema = {
        "operationId": view.__name__,
        "summary": summary,
        **({"description": more.strip()} if more.strip() else {}),
        "parameters": parameters,
        "responses": {"200": {"description": "Done", "content": content}},
        "security": [{"sigv4": []}] if entry.authorizer else [],
    }
    if "body" in hints:
        options = [option for option in _options(hints["body"]) if option is not type(None)]
        operation["requestBody"] = {
            "required": options == _options(hints["body"]),
            "content": {"application/json": {"schema": _schema(options[0], schemas)}},
        }
        errors |= {400, 415}
    for status in sorted(errors):
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/{_name(status)}"}
    return operation


def _bytes(media: str) -> Schema:
    return {"type": "string", "format": "binary"} if media.startswith("image/") else {"type": "string"}


def _name(status: int) -> str:
    return f"Error{status}"


def _answer(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _query(query: type, schemas: Schema) -> Iterator[Schema]:
    for name, hint in _hints(query).items():
        schema = _schema(hint, schemas)
        described = {"description": schema.pop("description")} if "description" in schema else {}
        required = _required(query, name, hint)
        yield {"name": name, "in": "query", "required": required, "schema": schema, **described}


def _schema(hint: Any, schemas: Schema) -> Schema:
    """The JSON schema of a type; a TypedDict's is put among the schemas, and a reference to it returned."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (NotRequired, typing.Required):
        return _schema(arguments[0], schemas)
    if origin is Annotated:
        return {**_schema(arguments[0], schemas), **dict(arguments[1])}
    if origin is Literal:
        return {"type": PLAIN[type(arguments[0])], "enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return _one_of([_schema(option, schemas) for option in arguments])
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], schemas)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], schemas)}
    if hint is Any:
        return {}
    return {"type": PLAIN[hint]} if hint in PLAIN else _object(hint, schemas)


def _one_of(options: list[Schema]) -> Schema:
    """One of several; plain types without more to say are one list of types."""
    if all(set(option) == {"type"} for option in options):
        return {"type": [option["type"] for option in options]}
    return {"anyOf": options}


def _object(model: type, schemas: Schema) -> Schema:
    name = model.__name__
    if name not in schemas:
        schemas[name] = {}  # it may use itself
        described = {"description": inspect.cleandoc(model.__doc__)} if model.__doc__ else {}
        hints = _hints(model)
        properties = {field: _schema(hint, schemas) for field, hint in hints.items()}
        required = [field for field, hint in hints.items() if _required(model, field, hint)]
        schemas[name] = {"type": "object", **described, "properties": properties, "required": required}
    return {"$ref": f"#/components/schemas/{name}"}


def _required(model: Any, field: str, hint: Any) -> bool:
    # Python knows of NotRequired only where annotations are no texts.
    return field in model.__required_keys__ and typing.get_origin(hint) is not NotRequired


def _options(hint: Any) -> list[Any]:
    return list(typing.get_args(hint)) if isinstance(hint, types.UnionType) else [hint]


def _hints(thing: Any) -> dict[str, Any]:
    """The annotations of a view or a TypedDict, with the names that only a type checker imports."""
    # An inherited field's annotation knows the module that it stands in.
    inherited = [getattr(hint, "__forward_module__", None) for hint in thing.__annotations__.values()]
    names: dict[str, Any] = {}
    for module in {thing.__module__, *filter(None, inherited)}:
        names |= _imported_for_types(module)
    return typing.get_type_hints(thing, localns=names, include_extras=True)


@cache
def _imported_for_types(module: str) -> dict[str, Any]:
    """What a module imports under `if TYPE_CHECKING`, from our own code."""
    source = inspect.getsource(sys.modules[module])
    guarded = [node for node in ast.parse(source).body if isinstance(node, ast.If)]
    return {
        alias.asname or alias.name: getattr(importlib.import_module(node.module), alias.name)
        for block in guarded
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("chalicelib.")
        for alias in node.names
    }
