"""One stage: what `.chalice/config.json` says of it, and the names that follow from it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chalicelib.capacity import shard_names
from chalicelib.config import Config
from chalicelib.config.stage import APP
from chalicelib.fields import Settings
from chalicelib.planning.scenario import MEMORY
from infra import partitions
from infra.errors import CommandError

ROOT = Path(__file__).parent.parent  # the project: app.py, chalicelib/, .chalice/
# Lambda's name for a function's settings in config.json, and AWS's advice for the queue behind it:
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
VISIBILITY_PER_TIMEOUT = 6
# What a deploy writes into the stage's settings: the stack's outputs, and what follows from the stage's name.
RECORDED = (
    "STAGE",
    "IMAGES_BUCKET",
    "THUMBNAILS_BUCKET",
    "REPORTS_BUCKET",
    "SOURCE_QUEUE_URL",
    "BULK_QUEUE_URL",
    "DESTINATION_QUEUE_URL",
    "DEAD_LETTER_QUEUE_URL",
    "JOBS_ROLE_ARN",
    "BACKFILL_FUNCTION_ARN",
    "FUNCTION_MEMORY_MB",
)


@dataclass(frozen=True)
class Account:
    """Where a stage is deployed."""

    id: str  # twelve digits
    region: str
    partition: str = "aws"
    caller: str = field(default="", compare=False)  # the ARN of whose credentials these are, where known

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.id}:{resource}"


@dataclass(frozen=True)
class Stage:
    """A stage of the app in `root`. Raises CommandError for a name that AWS would refuse later."""

    root: Path
    name: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,11}", self.name):
            raise CommandError(
                f"STAGE is {self.name!r}: expected a lower-case letter, then up to 11 lower-case letters, "
                "digits or hyphens"
            )
        # The API of a stage `dev-drain` would have the name of the stage `dev`'s drain; and a log group of a
        # stage `dev-drain-x` begins with the name of that drain's, for which Chalice would take it.
        if found := re.search(r"-(enqueue|drain|consume|letters|backfill)(?=-|$)", self.name):
            raise CommandError(f"STAGE is {self.name!r}: may not hold {found[0]!r}, which names a function")

    @property
    def stack_name(self) -> str:
        return f"{APP}-{self.name}"

    @property
    def config_file(self) -> Path:
        return self.root / ".chalice" / "config.json"

    @property
    def deployed_file(self) -> Path:
        """What Chalice remembers of its last successful deploy."""
        return self.root / ".chalice" / "deployed" / f"{self.name}.json"

    def function_name(self, function: str) -> str:
        """Lambda's name of a function; all REST routes are one, named like the stage."""
        return self.stack_name if function == "api_handler" else f"{self.stack_name}-{function}"

    def environment(self) -> dict[str, str]:
        """The stage's settings as the functions get them."""
        return self._environment(self._config())

    def _environment(self, config: dict[str, Any]) -> dict[str, str]:
        stage = config["stages"].get(self.name, {})
        return {**config.get("environment_variables", {}), **stage.get("environment_variables", {})}

    def account(self) -> Account:
        """Where the stage was deployed. Raises CommandError before the first deploy."""
        found = self.deployed_to()
        if not found:
            raise CommandError(f"stage {self.name} was never deployed: `make deploy STAGE={self.name}` first")
        return found

    def deployed_to(self) -> Account | None:
        """Where the stage was deployed, by its buckets' names; None before the first deploy."""
        bucket = self.environment().get("REPORTS_BUCKET", "")
        found = re.search(r"-reports-(\d{12})-([a-z0-9-]+)$", bucket)
        if not found:
            return None
        return Account(found[1], found[2], partitions.partition_of(found[2]))

    def function_setting(self, function: str, name: str) -> int:
        """A number such as `lambda_timeout`, looked up in Chalice's order."""
        config = self._config()
        stage = config["stages"].get(self.name, {})
        for place in (
            stage.get("lambda_functions", {}).get(function, {}),
            stage,
            config.get("lambda_functions", {}).get(function, {}),
            config,
        ):
            if name in place:
                return int(place[name])
        raise CommandError(f"{self.config_file}: no {name} for {function}")

    def function_memory(self) -> str:
        """FUNCTION_MEMORY_MB: what the app is told of its functions' memory, which it cannot ask for."""
        sizes = (self.function_setting(function, "lambda_memory_size") for function in MEMORY.values())
        return ",".join(map(str, sizes))

    def in_vpc(self, function: str) -> bool:
        """Whether Chalice puts the function into a VPC: `subnet_ids`, looked up in Chalice's order."""
        config = self._config()
        stage = config["stages"].get(self.name, {})
        functions = (of.get("lambda_functions", {}).get(function, {}) for of in (stage, config))
        of_stage, of_all = functions
        return any(place.get("subnet_ids") for place in (of_stage, stage, of_all, config))

    def policy_file(self, function: str) -> Path | None:
        """The IAM policy that the stage's settings name for a function; None where they name none."""
        functions = self._config()["stages"].get(self.name, {}).get("lambda_functions", {})
        name = functions.get(function, {}).get("iam_policy_file")
        return self.config_file.with_name(name) if name else None

    def drains(self) -> list[str]:
        """The functions of the drain's shards: `drain`, `drain-1` ..."""
        return _shards(self.environment())

    def rules(self) -> list[str]:
        """EventBridge's rule of each drain, as Chalice names them."""
        return [f"{self.function_name(shard)}-event" for shard in self.drains()]

    def visibility(self, function: str) -> int:
        """Seconds a message stays hidden from others while the function works on it."""
        return VISIBILITY_PER_TIMEOUT * self.function_setting(function, "lambda_timeout")

    def record(self, settings: Mapping[str, str], policy_files: Mapping[str, str]) -> None:
        """Write what the stack made into the stage's settings; what people set there stays."""
        config = self._config()
        stage = config["stages"].setdefault(self.name, {})
        stage["environment_variables"] = {**stage.get("environment_variables", {}), **settings}
        functions = stage.setdefault("lambda_functions", {})
        for function, file in policy_files.items():
            functions.setdefault(function, {})["iam_policy_file"] = file
        for shard in _shards(self._environment(config))[1:]:  # each is a copy of the first
            for name in ("lambda_memory_size", "lambda_timeout", "reserved_concurrency"):
                functions.setdefault(shard, {})[name] = self.function_setting("drain", name)
        self._write(config)

    def forget(self, made: Mapping[str, str]) -> None:
        """Take out of the stage's settings what `record` put there; `made` are the names the stack gives.

        A bucket of the user's own stays, and so does everything else that people set.
        """
        config = self._config()
        stage = config["stages"].get(self.name, {})
        settings = stage.get("environment_variables", {})
        for name in RECORDED:
            if not name.endswith("_BUCKET") or settings.get(name) == made[name]:
                settings.pop(name, None)
        for function in stage.get("lambda_functions", {}).values():
            function.pop("iam_policy_file", None)
        self._write(config)

    def set_regional_endpoints(self) -> None:
        """The REST API gets a regional endpoint, unless people have set which kind."""
        config = self._config()
        stage = config["stages"].setdefault(self.name, {})
        if "api_gateway_endpoint_type" not in {**config, **stage}:
            stage["api_gateway_endpoint_type"] = "REGIONAL"
            self._write(config)

    def set_api_policy(self, file: str) -> None:
        """Name the REST API's resource policy in the stage's settings; an empty name takes it out."""
        config = self._config()
        stage = config["stages"].setdefault(self.name, {})
        stage.pop("api_gateway_policy_file", None)
        if file:
            stage["api_gateway_policy_file"] = file
        self._write(config)

    def deployed(self) -> list[dict[str, Any]]:
        """The resources of Chalice's last successful deploy; none before the first."""
        if not self.deployed_file.exists():
            return []
        resources: list[dict[str, Any]] = json.loads(self.deployed_file.read_text())["resources"]
        return resources

    def _write(self, config: dict[str, Any]) -> None:
        """All of it or nothing: people's settings are in it."""
        beside = self.config_file.with_suffix(".unfinished")
        beside.write_text(json.dumps(config, indent=2) + "\n")
        beside.replace(self.config_file)

    def _config(self) -> dict[str, Any]:
        try:
            config = json.loads(self.config_file.read_text())
        except (OSError, ValueError) as e:
            raise CommandError(f"{self.config_file}: {e}") from e
        if not isinstance(config, dict) or not isinstance(config.setdefault("stages", {}), dict):
            raise CommandError(f"{self.config_file}: expected an object with stages")
        return config


def _shards(environment: Mapping[str, str]) -> list[str]:
    return shard_names(Settings(environment).whole("DRAIN_SHARDS", 1, 100, Config.drain_shards))
