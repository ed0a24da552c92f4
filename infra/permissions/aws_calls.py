"""Which AWS calls each Lambda function's code makes.

Chalice's analyser reads one file and follows clients from `boto3.client(...)`; ours come as arguments,
through several modules. So the code that a handler can reach is walked here, each call on an argument
annotated as a client is written into a flat program, and that program goes to Chalice's analyser.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chalice.analyzer import get_client_calls

# The annotation of an argument tells the service of the client.
CLIENTS = {
    "AsyncSqs": "sqs",
    "AsyncSsm": "ssm",
    "CloudWatchClient": "cloudwatch",
    "CloudWatchLogsClient": "logs",
    "EventBridgeClient": "events",
    "LambdaClient": "lambda",
    "S3Client": "s3",
    "S3ControlClient": "s3control",
    "SFNClient": "stepfunctions",
    "SQSClient": "sqs",
    "SSMClient": "ssm",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Calls = dict[str, set[str]]  # service -> client methods, such as {"sqs": {"send_message_batch"}}


@dataclass
class _Module:
    """One file: what it defines, and what its names mean (`queues` or `queues.send`, as dotted names)."""

    name: str
    functions: dict[str, list[Function]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


def handlers(root: Path) -> dict[str, list[str]]:
    """The Lambda functions of the app: Chalice's name for each, and the handlers (dotted) behind it.

    All REST routes are one Lambda function, which Chalice names `api_handler`.
    """
    found: dict[str, list[str]] = {}
    for module, file in _sources(root):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef):
                for binder in _decorators(node):
                    name = "api_handler" if binder == "routes" else node.name
                    found.setdefault(name, []).append(f"{module}.{node.name}")
    return found


def calls(root: Path) -> dict[str, Calls]:
    """The AWS calls of each Lambda function, as Chalice's analyser sees them."""
    modules = {module.name: module for module in map(_read, _sources(root))}
    return {
        name: get_client_calls(_flat_program(_reachable(modules, entries)))
        for name, entries in handlers(root).items()
    }


def _sources(root: Path) -> list[tuple[str, Path]]:
    files = [root / "app.py", *sorted((root / "chalicelib").rglob("*.py"))]
    return [
        (".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"), file)
        for file in files
    ]


def _read(source: tuple[str, Path]) -> _Module:
    name, file = source
    module = _Module(name)
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                module.names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in _outside_functions(tree):
        if isinstance(node, Function):
            module.functions[node.name] = [node]
        elif isinstance(node, ast.ClassDef):
            module.functions[node.name] = [item for item in node.body if isinstance(item, Function)]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            # `action = cache(lambda: ...)` is a function to its callers.
            wrapper = ast.FunctionDef("", ast.arguments([], [], None, [], [], None, []), [node], [])
            for target in node.targets:
                if isinstance(target, ast.Name):
                    module.functions[target.id] = [wrapper]
    module.names |= {defined: f"{name}.{defined}" for defined in module.functions}
    return module


def _outside_functions(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements of a module, those under an `if` too."""
    for node in tree.body:
        yield node
        if isinstance(node, ast.If):
            yield from node.body


def _reachable(modules: dict[str, _Module], entries: Iterable[str]) -> Iterator[Function]:
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
            yield function
            waiting += _mentioned(module, function)


def _mentioned(module: _Module, function: Function) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id in module.names:
            yield module.names[node.id]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{module.names.get(node.value.id, '')}.{node.attr}"


def _flat_program(functions: Iterable[Function]) -> str:
    lines = ["import boto3"]
    for function in functions:
        for client, service in _clients(function).items():
            lines.append(f"{client} = boto3.client({service!r})")
            lines += [f"{client}.{method}()" for method in _methods(function, client)]
    return "\n".join(lines) + "\n"


def _clients(function: Function) -> dict[str, str]:
    """The arguments that are AWS clients, each with its service."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    annotations = {one.arg: ast.unparse(one.annotation) for one in arguments if one.annotation}
    names = {
        argument: annotation.strip("'\"").removesuffix(" | None").rpartition(".")[2]
        for argument, annotation in annotations.items()
    }
    return {argument: CLIENTS[name] for argument, name in names.items() if name in CLIENTS}


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
