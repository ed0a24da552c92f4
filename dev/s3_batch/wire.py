"""Requests and answers of S3 Batch Operations, as botocore's own model of the service describes them.

botocore's parser reads requests by the input shapes, so nothing here knows a field by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.parsers import ResponseParserError, create_parser

Params = dict[str, Any]

_OPERATIONS = (
    "CreateJob",
    "DescribeJob",
    "ListJobs",
    "UpdateJobStatus",
    "UpdateJobPriority",
    "GetJobTagging",
    "PutJobTagging",
    "DeleteJobTagging",
)


class Unreadable(Exception):
    """The request's body is not the XML that the model describes."""


@dataclass(frozen=True)
class Operation:
    """One call of the service: where it is found, what goes in, what comes out."""

    name: str
    method: str
    path: re.Pattern[str]
    input: StructureShape
    output: StructureShape | None


def operations() -> list[Operation]:
    """The calls this server answers, from the model that the installed botocore brings."""
    model = botocore.session.get_session().get_service_model("s3control")
    found = []
    for name in _OPERATIONS:
        operation = model.operation_model(name)
        path = operation.http["requestUri"].partition("?")[0]
        assert operation.input_shape is not None
        found.append(
            Operation(
                name,
                operation.http["method"],
                re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)),
                operation.input_shape,
                operation.output_shape,
            )
        )
    return found


def parse(operation: Operation, path: str, query: str, headers: Message, body: bytes) -> Params:
    """A request's parameters under the model's names. Raises Unreadable for a body that is not XML."""
    try:
        params: Params = create_parser("rest-xml").parse(
            {"body": body, "headers": headers, "status_code": 200}, operation.input
        )
    except ResponseParserError as e:
        raise Unreadable(str(e)) from e
    params.pop("ResponseMetadata", None)
    in_path = operation.path.fullmatch(path)
    in_query = parse_qs(query, keep_blank_values=True)
    for name, shape in operation.input.members.items():
        wire_name = shape.serialization.get("name", name)
        location = shape.serialization.get("location")
        if location == "uri" and in_path:
            params[name] = unquote(in_path[wire_name])
        elif location == "querystring" and wire_name in in_query:
            params[name] = _from_query(shape, in_query[wire_name])
    return params


def _from_query(shape: Shape, values: list[str]) -> Any:
    if isinstance(shape, ListShape):
        return values
    if shape.type_name == "integer" and re.fullmatch(r"-?\d{1,10}", values[0], re.ASCII):
        return int(values[0])
    return values[0]


def to_xml(shape: StructureShape, value: Mapping[str, Any]) -> bytes:
    """An answer as XML; lists and maps under the names the model gives them."""
    root = ElementTree.Element(shape.name)
    _fill(root, shape, value)
    return _bytes(root)


def error_xml(code: str, message: str, *, fault: str = "Sender") -> bytes:
    """An error as botocore reads it for rest-xml."""
    root = ElementTree.Element("ErrorResponse")
    error = ElementTree.SubElement(root, "Error")
    for name, text in (("Type", fault), ("Code", code), ("Message", message)):
        ElementTree.SubElement(error, name).text = text
    return _bytes(root)


def _bytes(root: ElementTree.Element) -> bytes:
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _fill(element: ElementTree.Element, shape: Shape, value: Any) -> None:
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            if value.get(name) is not None:
                wire_name = member.serialization.get("name", name)
                _fill(ElementTree.SubElement(element, wire_name), member, value[name])
    elif isinstance(shape, ListShape):
        for item in value:
            wire_name = shape.member.serialization.get("name", "member")
            _fill(ElementTree.SubElement(element, wire_name), shape.member, item)
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            entry = ElementTree.SubElement(element, "entry")
            ElementTree.SubElement(entry, shape.key.serialization.get("name", "key")).text = key
            _fill(
                ElementTree.SubElement(entry, shape.value.serialization.get("name", "value")),
                shape.value,
                item,
            )
    elif isinstance(value, datetime):
        element.text = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    elif isinstance(value, bool):
        element.text = "true" if value else "false"
    else:
        element.text = str(value)


def violations(shape: Shape, value: Any, path: str = "") -> Iterator[str]:
    """What in a value breaks the model: required members, lengths, ranges, enumerations, patterns.

    boto3 checks types and required members but neither maxima nor patterns; the service does.
    """
    if isinstance(shape, StructureShape):
        for name in shape.required_members:
            if value.get(name) is None:
                yield f"{path}{name} is required"
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from violations(member, value[name], f"{path}{name}.")
        return
    name = path.rstrip(".")
    yield from _out_of_bounds(shape, value, name)
    if isinstance(shape, ListShape):
        for item in value:
            yield from violations(shape.member, item, f"{name}[].")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from violations(shape.key, key, f"{name} key.")
            yield from violations(shape.value, item, f"{name}[{key}].")


def _out_of_bounds(shape: Shape, value: Any, name: str) -> Iterator[str]:
    limits = shape.metadata
    size = value if isinstance(value, int) else len(value) if hasattr(value, "__len__") else None
    if size is not None:
        if size < limits.get("min", size):
            yield f"{name} must be at least {limits['min']}"
        if size > limits.get("max", size):
            yield f"{name} must be at most {limits['max']}"
    if limits.get("enum") and value not in limits["enum"]:
        yield f"{name} must be one of {', '.join(limits['enum'])}"
    if limits.get("pattern") and not re.fullmatch(_python_pattern(limits["pattern"]), str(value)):
        yield f"{name} does not match {limits['pattern']}"


def _python_pattern(pattern: str) -> str:
    r"""The model's Java pattern for Python, which has no \p{...}: \w is letters, numbers and underscore."""
    spaces = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
    return pattern.replace(r"\p{L}", r"\w").replace(r"\p{N}", "").replace(r"\p{Z}", spaces)
