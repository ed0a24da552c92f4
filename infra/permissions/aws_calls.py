"""Which AWS calls each Lambda function's code makes.

Chalice's analyser reads one file and follows clients from `boto3.client(...)`; ours come as arguments,
through several modules. So the code that a handler can reach is walked here, each call on an argument
annotated as a client is written into a flat program, and that program goes to Chalice's analyser.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from chalice.analyzer import get_client_calls

from infra.errors import CommandError

# The annotation of an argument tells the service of the client: it is imported from boto3's stubs, as
# `from mypy_boto3_dynamodb import DynamoDBClient`, under either of their two names, or it is one of our own.
STUBS = ("mypy_boto3_", "types_boto3_")
OUR_CLIENTS = {"AsyncSqs": "sqs", "AsyncSsm": "ssm"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Calls = dict[str, set[str]]  # service -> client methods, such as {"sqs": {"send_message_batch"}}


@dataclass(eq=False)
class _Module:
    """One file: what it defines, and what its names mean (`queues` or `queues.send`, as dotted names)."""

    name: str
    bound: dict[str, list[str]] = field(default_factory=dict)  # Lambda function -> its handlers here, dotted
    functions: dict[str, list[Function]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


def handlers(root: Path) -> dict[str, list[str]]:
    """The Lambda functions of the app: Chalice's name for each, and the handlers (dotted) behind it.

    All REST routes are one Lambda function, which Chalice names `api_handler`.
    """
    return _handlers(_modules(root))


def _handlers(modules: dict[str, _Module]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for module in modules.values():
        for name, dotted in module.bound.items():
            found.setdefault(name, []).extend(dotted)
    return found


def calls(root: Path) -> dict[str, Calls]:
    """The AWS calls of each Lambda function but those of actions, as Chalice's analyser sees them.

    Raises CommandError for a client of nobody knows which service.
    """
    modules = _modules(root)
    return {name: _calls(modules, entries) for name, entries in _handlers(modules).items()}


def calls_from(root: Path, function: str) -> Calls:
    """The AWS calls of one function of the code (dotted) and of all that it reaches. Raises CommandError."""
    return _calls(_modules(root), [function])


def _calls(modules: dict[str, _Module], entries: Iterable[str]) -> Calls:
    found: Calls = get_client_calls(_flat_program(_reachable(modules, entries)))
    return found


def _modules(root: Path) -> dict[str, _Module]:
    found = {}
    for file in (root / "app.py", *sorted((root / "chalicelib").rglob("*.py"))):
        name = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        try:
            found[name] = _read(name, file.read_text(), file.name == "__init__.py")
        except (SyntaxError, ValueError) as e:
            raise CommandError(f"{file.relative_to(root)} cannot be read: {e}") from e
    return found


@functools.cache  # of the text: a deploy asks for each of its steps, the tests for each of their stages
def _read(name: str, text: str, is_package: bool) -> _Module:
    module = _Module(name)
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            # One dot is the package that the module is in, or itself.
            package = name.split(".")[: len(name.split(".")) + is_package - node.level]
            origin = ".".join([*(package if node.level else []), *([node.module] if node.module else [])])
            for alias in node.names:
                module.names[alias.asname or alias.name] = f"{origin}.{alias.name}"
        elif isinstance(node, ast.Import):
            module.names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.FunctionDef):
            for binder in _decorators(node):
                function = "api_handler" if binder == "routes" else node.name
                module.bound.setdefault(function, []).append(f"{name}.{node.name}")
    for node in _outside_functions(tree):
        if isinstance(node, Function):
            module.functions[node.name] = [node]
        elif isinstance(node, ast.ClassDef):
            module.functions[node.name] = [item for item in node.body if isinstance(item, Function)]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call | ast.Lambda):
            # `action = cache(lambda: ...)` is a function to its callers.
            wrapper = ast.FunctionDef("", ast.arguments([], [], None, [], [], None, []), [node], [])
            for target in node.targets:
                if isinstance(target, ast.Name):
                    module.functions[target.id] = [wrapper]
    module.names |= {defined: f"{name}.{defined}" for defined in module.functions}
    return module


def _outside_functions(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements of a module, those under an `if` or a `try` too."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        match node:
            case ast.If():
                waiting += [*node.body, *node.orelse]
            case ast.Try():
                waiting += [*node.body, *node.orelse, *node.finalbody]
                waiting += [one for handler in node.handlers for one in handler.body]


def _reachable(modules: dict[str, _Module], entries: Iterable[str]) -> Iterator[tuple[_Module, Function]]:
    """Every function that the entries (`module.function`) can reach by name; a class brings its methods."""
    waiting, seen = list(entries), set[str]()
    while waiting:
        dotted = waiting.pop()
        module_name, _, name = dotted.rpartition(".")
        module = modules.get(module_name)
        if dotted in seen or module is None:
            continue
        seen.add(dotted)
        for function in module.functions.get(name, []):
            yield module, function
            waiting += _mentioned(module, function)


@functools.cache
def _mentioned(module: _Module, function: Function) -> list[str]:
    found = []
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id in module.names:
            found.append(module.names[node.id])
        elif isinstance(node, ast.Attribute):
            found.append(_origin(module, ast.unparse(node)))
    return found


def _origin(module: _Module, dotted: str) -> str:
    """What a dotted name of the module is called where it comes from."""
    first, dot, rest = dotted.partition(".")
    return module.names.get(first, first) + dot + rest


def _flat_program(functions: Iterable[tuple[_Module, Function]]) -> str:
    lines = ["import boto3"]
    for module, function in functions:
        lines += _flat(module, function)
    return "\n".join(lines) + "\n"


@functools.cache
def _flat(module: _Module, function: Function) -> list[str]:
    lines = []
    for client, service in _clients(module, function).items():
        lines.append(f"{client} = boto3.client({service!r})")
        lines += [f"{client}.{method}()" for method in _methods(function, client)]
    return lines


def _clients(module: _Module, function: Function) -> dict[str, str]:
    """The arguments and variables that are AWS clients, each with its service, by boto3's name."""
    found = {}
    for node in ast.walk(function):  # of the functions inside it, too
        match node:
            case ast.arg(arg=name, annotation=ast.expr() as annotation):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                pass
            case _:
                continue
        for one in _types(annotation):
            if service := _service(module, function, one):
                found[name] = service
    return found


def _types(annotation: ast.expr) -> Iterator[str]:
    """The dotted names that an annotation says a value may have as its type: not those of what it holds."""
    match annotation:
        case ast.Constant(value=str(text)):
            with suppress(SyntaxError):
                yield from _types(ast.parse(text, mode="eval").body)
        case ast.BinOp(op=ast.BitOr()):
            yield from _types(annotation.left)
            yield from _types(annotation.right)
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name)) if name in (
            "Optional",
            "Union",
            "Annotated",
        ):
            inner = annotation.slice
            several = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            for one in several[:1] if name == "Annotated" else several:
                yield from _types(one)
        case ast.Name() | ast.Attribute():
            yield ast.unparse(annotation)


def _service(module: _Module, function: Function, annotation: str) -> str:
    """The service of a client; empty for what is no client. Raises CommandError where nobody knows."""
    origin = _origin(module, annotation)
    stub, name = origin.partition(".")[0], origin.rpartition(".")[2]
    if name in OUR_CLIENTS:
        return OUR_CLIENTS[name]
    if not name.endswith("Client"):
        return ""
    for prefix in STUBS:
        if stub.startswith(prefix):
            return stub.removeprefix(prefix).replace("_", "-")
    if "." in origin and stub not in ("boto3", "botocore"):
        return ""  # another library's, or a class of our own: no client of AWS
    raise CommandError(
        f"{module.name}.{function.name} takes a {name}, and nobody knows of which service: import it as "
        f"`from {STUBS[0]}SERVICE import {name}`, so that the policies can be made from its calls"
    )


def _methods(function: Function, client: str) -> Iterator[str]:
    """The methods called on the argument. A paginator stands for the call it repeats."""
    for node in ast.walk(function):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="get_paginator"),
                args=[ast.Constant(value=str(method))],
            ) if name == client:
                yield method
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if name == client:
                yield method


def _decorators(function: ast.FunctionDef) -> Iterator[str]:
    """What binds the function: `app` for `@app.schedule(...)`, `routes` for a route of the REST API."""
    for decorator in function.decorator_list:
        match decorator:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="app" | "routes" as binder))):
                yield binder
