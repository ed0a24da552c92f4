"""`make bench-drain`: the drain against the original's algorithm, in interleaved rounds.

Each run is a process of its own against the fake SQS in another; latency is inside the server. Ratios are
taken within a round, so what else the machine does falls on both sides; median, least and most are given.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.drain.throttle import MB_PER_VCPU, throttle
from dev.fake_sqs.certificate import make_certificate
from dev.fake_sqs.process import ServerProcess

RESULTS = Path(__file__).parents[1] / "results" / "drain.json"
NODE_MODULES = Path(__file__).parents[2] / ".cache" / "node" / "node_modules"

# name, workers, events: some seconds each
ORIGINAL = ("original", 1, 300)
OURS = [("ours+ours", 16, 10_000), ("ours+ours", 32, 20_000)]
OTHERS = [
    ("boto3", 16, 5_000),
    ("ours+botocore", 32, 15_000),
    ("aiohttp+ours", 32, 12_000),
    ("aiohttp+botocore", 32, 12_000),
]
IMPORTS = {
    "nothing": "pass",
    "the drain": "from chalicelib.aws.lean import fast_json, http1, sqs; from chalicelib.drain import tick",
    "asyncio": "import asyncio",
    "aiohttp": "import aiohttp",
    "botocore.auth": "import botocore.auth",
    "boto3, SQS client": "import boto3; boto3.client('sqs', region_name='us-east-1')",
}
LAMBDA_MB = 256

console = Console()


def main(rounds: int, latency_ms: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        certificate = make_certificate(Path(folder))
        with ServerProcess(str(certificate)) as server:
            server.control("latency", seconds=latency_ms / 1000)
            result = measure(server, rounds, certificate)
    result = {"asked_latency_ms": latency_ms, **result}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    show(result)
    console.print(f"written to {RESULTS.relative_to(Path.cwd())}")


def measure(server: ServerProcess, rounds: int, certificate: Path) -> dict[str, Any]:
    latency_ms = measured_latency_ms(server)
    few = max(1, rounds // 2)
    main_rounds = [
        {key(one): run(server, *one) for one in (ORIGINAL, *OURS)} for _ in track(range(rounds), "ours")
    ]
    other_rounds = [
        {key(one): run(server, *one) for one in (ORIGINAL, *OTHERS)} for _ in track(range(few), "clients")
    ]
    tls_rounds = [
        {key(one): run(server, *one, certificate=certificate) for one in (ORIGINAL, *OURS)}
        for _ in track(range(few), "TLS")
    ]
    node_rounds = []
    if shutil.which("node") and (NODE_MODULES / "aws-sdk").is_dir():
        node_rounds = [
            {key(one): run(server, *one) for one in (("node", 1, 300), OURS[1])}
            for _ in track(range(few), "Node")
        ]
    limited = run(server, "ours+ours", 32, 150_000, share=LAMBDA_MB / MB_PER_VCPU)
    first = key(ORIGINAL)
    return {
        "machine": f"{os.cpu_count()} CPUs, Python {platform.python_version()}",
        "rounds": rounds,
        "latency_ms": latency_ms,
        "ratio_events_per_s": {str(one[1]): ratio(main_rounds, first, key(one), "rate") for one in OURS},
        "ratio_cpu_per_event": ratio(main_rounds, key(OURS[0]), first, "cpu"),  # 16 workers: the lesser
        "ratio_cpu_per_event_by_workers": {
            str(one[1]): ratio(main_rounds, key(one), first, "cpu") for one in OURS
        },
        "events_per_s": {name: spread(main_rounds, name, "rate") for name in main_rounds[0]},
        "cpu_us_per_event": {name: spread(main_rounds, name, "cpu") for name in main_rounds[0]},
        "calls_per_event": max(
            one[key(OURS[1])]["calls"] / one[key(OURS[1])]["events"] for one in main_rounds
        ),
        "calls_per_event_original": main_rounds[0][first]["calls"] / main_rounds[0][first]["events"],
        "idle_calls": run(server, "ours+ours", 32, 0)["calls"],
        "rss_mb": max(one[key(ours)]["rss_mb"] for one in main_rounds for ours in OURS),
        "clients": {
            name: {
                "events_per_s": ratio(other_rounds, first, name, "rate"),
                "cpu_per_event": ratio(other_rounds, name, first, "cpu"),
                "rss_mb": max(one[name]["rss_mb"] for one in other_rounds),
            }
            for name in map(key, OTHERS)
        },
        "tls": {str(one[1]): ratio(tls_rounds, first, key(one), "rate") for one in OURS},
        "node": {
            "events_per_s": ratio(node_rounds, "node, 1", key(OURS[1]), "rate"),
            "cpu_per_event": ratio(node_rounds, key(OURS[1]), "node, 1", "cpu"),
        }
        if node_rounds
        else None,
        "lambda": {
            "memory_mb": LAMBDA_MB,
            "vcpu": round(LAMBDA_MB / MB_PER_VCPU, 3),
            "events_in_a_tick": limited["events"],
            "seconds": limited["seconds"],
            "rss_mb": limited["rss_mb"],
        },
        "import_times": import_ratios(rounds),
    }


def key(contender: tuple[str, int, int]) -> str:
    return f"{contender[0]}, {contender[1]}"


def run(
    server: ServerProcess,
    name: str,
    workers: int,
    events: int,
    certificate: Path | None = None,
    share: float = 1.0,
) -> dict[str, Any]:
    """One process's figures, with the calls that the server counted."""
    for queue in ("source", "destination"):
        server.control("create", name=queue, visibility_s=600)
    server.control("fill", queue="source", count=events)
    server.control("stats")
    url = server.url("source")
    environment = {
        **os.environ,
        "NODE_PATH": str(NODE_MODULES),
        "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE": "1",
    }
    if certificate:
        url = url.replace(server.endpoint, server.tls_endpoint)
        environment.update(SSL_CERT_FILE=str(certificate), AWS_CA_BUNDLE=str(certificate))
    command = [
        sys.executable,
        "-m",
        "benchmarks.drain.contender",
        name,
        url,
        str(events or 1000),
        str(workers),
    ]
    if name == "node":
        script = Path(__file__).with_name("original.cjs")
        command = ["node", str(script), url, url.replace("source", "destination"), str(events)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    if share < 1:
        throttle(process, share)
    printed, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{name} ended with {process.returncode}")
    figures: dict[str, Any] = json.loads(printed.splitlines()[-1])
    figures["calls"] = sum(server.control("stats")["calls"].values())
    if figures["events"]:
        figures["rate"] = figures["events"] / figures["seconds"]
        figures["cpu"] = figures["cpu_s"] / figures["events"] * 1e6
    return figures


def measured_latency_ms(server: ServerProcess) -> float:
    """What a call takes for a client that does nothing else."""
    server.control("create", name="source")
    connection = http.client.HTTPConnection(server.endpoint.partition("//")[2])
    body = json.dumps({"QueueUrl": server.url("source")})
    seconds = []
    for _ in range(50):
        began = time.perf_counter()
        connection.request("POST", "/", body, {"X-Amz-Target": "AmazonSQS.GetQueueAttributes"})
        connection.getresponse().read()
        seconds.append(time.perf_counter() - began)
    connection.close()
    return round(statistics.median(seconds) * 1000, 2)


def import_ratios(rounds: int) -> dict[str, float]:
    """Each import's time over that of a bare interpreter, median of interleaved rounds."""
    times: dict[str, list[float]] = {name: [] for name in IMPORTS}
    with tempfile.TemporaryDirectory() as bytecode:  # with it, as it is deployed
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
        for _ in range(rounds + 1):
            for name, code in IMPORTS.items():
                began = time.perf_counter()
                subprocess.run([sys.executable, "-c", code], check=True, env=environment)
                times[name].append(time.perf_counter() - began)
    bare = times["nothing"][1:]  # the first round writes the bytecode
    return {
        name: round(statistics.median(t / b for t, b in zip(seconds[1:], bare, strict=True)), 1)
        for name, seconds in times.items()
    }


def ratio(rounds: list[dict[str, Any]], under: str, over: str, figure: str) -> dict[str, float]:
    return _spread([one[over][figure] / one[under][figure] for one in rounds])


def spread(rounds: list[dict[str, Any]], name: str, figure: str) -> dict[str, float]:
    return _spread([one[name][figure] for one in rounds])


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 1),
        "min": round(min(values), 1),
        "max": round(max(values), 1),
    }


def show(result: dict[str, Any]) -> None:
    table = Table(title=f"drain, {result['rounds']} rounds, a call takes {result['latency_ms']} ms")
    table.add_column("")
    table.add_column("events/s, x original", justify="right")
    table.add_column("CPU per event, x less", justify="right")

    def line(name: str, rate: dict[str, float], cpu: dict[str, float] | None) -> None:
        table.add_row(
            name, *(f"{one['median']} ({one['min']}-{one['max']})" if one else "" for one in (rate, cpu))
        )

    for workers, rate in result["ratio_events_per_s"].items():
        line(f"the drain, {workers} workers", rate, result["ratio_cpu_per_event_by_workers"][workers])
    for workers, rate in result["tls"].items():
        line(f"the drain, {workers} workers, both over TLS", rate, None)
    for name, client in result["clients"].items():
        line(name, client["events_per_s"], client["cpu_per_event"])
    if result["node"]:
        line(
            "the drain, 32 workers, against Node",
            result["node"]["events_per_s"],
            result["node"]["cpu_per_event"],
        )
    console.print(table)
    limited = result["lambda"]
    console.print(
        f"calls per event {result['calls_per_event']:.3f} "
        f"(original {result['calls_per_event_original']:.3f}), idle {result['idle_calls']}"
    )
    console.print(f"peak memory {result['rss_mb']:.0f} MB")
    console.print(
        f"at {limited['vcpu']} vCPU ({limited['memory_mb']} MB): {limited['events_in_a_tick']:,} events in "
        f"{limited['seconds']:.0f} s, {limited['rss_mb']:.0f} MB"
    )
    console.print(
        "import, x bare interpreter: "
        + ", ".join(f"{name} {value}" for name, value in result["import_times"].items())
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--latency-ms", type=float, default=10.0)
    arguments = parser.parse_args()
    main(arguments.rounds, arguments.latency_ms)
