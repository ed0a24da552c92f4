"""A row in PostgreSQL for each upload, with pg8000, which needs nothing compiled.

    create table uploads (event text primary key, bucket text, key text, bytes bigint, uploaded timestamptz)

Each thread that works keeps a connection: there are at most CONSUME_THREADS for each consume that runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from chalicelib.aws import clients, errors
from chalicelib.config import Config
from chalicelib.consume.outcomes import ActionResult, Delivery
from chalicelib.errors import Reject, Retry
from chalicelib.events import ObjectCreated

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

    from chalicelib.consume.actions import Action

NEEDS = {"ssm:GetParameter": "DATABASE_PASSWORD_PARAMETER"}
SETTINGS = ("DATABASE_HOST", "DATABASE_NAME", "DATABASE_USER")
INSERT = (
    "insert into uploads (event, bucket, key, bytes, uploaded) values (%s, %s, %s, %s, %s) "
    "on conflict do nothing"
)
# SQLSTATE's first two characters: the row itself is wrong, and would be the next time.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
WRONG_DATA = ("22", "23")

_mine = threading.local()


def action(config: Config) -> Action:
    return partial(insert_row, partial(connect, clients.ssm(), config))


def connect(ssm: SSMClient, config: Config) -> Any:
    """The password is read for each connection: after it was changed, a new one has the new password."""
    import pg8000.dbapi

    with errors.errors_translated("the database's password"):
        name = config.setting("DATABASE_PASSWORD_PARAMETER")
        password = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    return pg8000.dbapi.connect(
        host=config.setting("DATABASE_HOST"),
        port=int(config.setting("DATABASE_PORT", "5432")),
        database=config.setting("DATABASE_NAME"),
        user=config.setting("DATABASE_USER"),
        password=password,
        ssl_context=config.setting("DATABASE_TLS", "on") == "on",
        timeout=8,  # seconds, for each answer
    )


def insert_row(connect: Callable[[], Any], created: ObjectCreated, delivery: Delivery) -> ActionResult:
    """A duplicate finds its row. A connection on which anything failed is not used again."""
    import pg8000.dbapi

    row = (created.identity, created.bucket, created.key, created.size, created.event_time)
    try:
        if getattr(_mine, "connection", None) is None:
            _mine.connection = connect()
        _mine.connection.cursor().execute(INSERT, row)
        _mine.connection.commit()
    except Retry:
        raise
    except (pg8000.dbapi.Error, OSError) as e:
        _forget()
        said = e.args[0] if e.args and isinstance(e.args[0], dict) else {}
        if str(said.get("C", "")).startswith(WRONG_DATA):
            raise Reject(f"the database refuses the row: {said.get('M')}", "refused-by-database") from e
        raise Retry(f"the database: {said.get('M') or e}") from e
    return ActionResult("stored")


def _forget() -> None:
    connection, _mine.connection = getattr(_mine, "connection", None), None
    if connection is not None:
        with suppress(Exception):  # it is broken already; the next one is new
            connection.close()
