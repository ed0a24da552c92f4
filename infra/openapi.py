"""The OpenAPI document: the app's own routes, their docstrings, and the types they name.

`python -m infra openapi` writes it to chalicelib/openapi.json, which GET /openapi.json serves; a test fails
when they disagree. https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chalice.app import Chalice
from pydantic import TypeAdapter

from infra import api_types

SCHEMAS = "#/components/schemas/"
WHEN = {
    400: "Something in the request, which `field` names",
    403: "Another site's page, or AWS does not allow it; behind API Gateway, a missing signature",
    404: "There is no such thing",
    409: "Its state does not allow it",
    413: "Too large to be answered",
    415: "The body is not JSON",
    501: "The stage lacks a setting, which is named",
    502: "AWS refused, or was not reached; trying again may help",
}


def document(app: Chalice) -> dict[str, Any]:
    """The OpenAPI 3.1 document. Raises AttributeError for a route that says nothing of itself."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for path, views in sorted(app.routes.items()):
        for method, entry in sorted(views.items()):
            paths.setdefault(path, {})[method.lower()] = _operation(path, entry, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "S3 event scheduler",
            "version": "1",
            "description": "docs/api.md says the same for people.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
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


def write(app: Chalice, root: Path) -> Path:
    """Write the document where the app serves it from."""
    file = root / "chalicelib" / "openapi.json"
    file.write_text(text(document(app)))
    return file


def text(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1) + "\n"


def _operation(path: str, entry: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    view = entry.view_function
    said = view.documented
    errors = set(said["errors"])
    if entry.authorizer:
        errors |= {403, 502}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", path)
    ]
    if said["query"]:
        parameters += _query(said["query"], schemas)
        errors |= {400}
    operation = {
        "operationId": view.__name__,
        "summary": (view.__doc__ or "").strip().splitlines()[0],
        "parameters": parameters,
        "responses": {"200": _answer(said["answer"], schemas)},
        "security": [{"sigv4": []}] if entry.authorizer else [],
    }
    if said["body"]:
        required = "None" not in said["body"]
        schema = _schema(said["body"].removesuffix(" | None"), schemas)
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
        errors |= {400, 415}
    error = {"anyOf": [_schema("Error", schemas), _schema("ChaliceError", schemas)]}
    for status in sorted(errors):
        content = {"application/json": {"schema": error}}
        operation["responses"][str(status)] = {"description": WHEN[status], "content": content}
    return operation


def _answer(name: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """A type's name, or a media type such as `image/*` for what is no JSON."""
    if "/" in name:
        content = {media: {"schema": {"type": "string"}} for media in name.split(", ")}
    else:
        content = {"application/json": {"schema": _schema(name, schemas)}}
    return {"description": "Done", "content": content}


def _query(name: str, schemas: dict[str, Any]) -> Iterator[dict[str, Any]]:
    schema = _plain(name)
    for parameter, type_ in schema["properties"].items():
        type_.pop("title", None)
        said = type_.pop("description", "")
        options = [one for one in type_.pop("anyOf", [type_]) if one.get("type") != "null"]
        type_.pop("default", None)
        yield {
            "name": parameter,
            "in": "query",
            "required": parameter in schema.get("required", []),
            "schema": options[0],
            **({"description": said} if said else {}),
        }


def _schema(name: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """A reference to the type; it and all that it uses are put among the schemas."""
    found = _plain(name)
    for used, schema in found.pop("$defs", {}).items():
        schemas[used] = schema
    schemas[name] = found
    return {"$ref": SCHEMAS + name}


def _plain(name: str) -> dict[str, Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(getattr(api_types, name))
    return adapter.json_schema(ref_template=SCHEMAS + "{model}")
