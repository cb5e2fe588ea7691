"""The user's trigger: what it listens to, whom it calls, how it retries, in which order.

The models mirror Hasura's event-trigger definition, plus ordering, limits and backoff. They are
frozen: a spec that exists is valid. Reading files and reporting errors is `app.trigger_file`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from cdc_triggers.core.cel.problems import InvalidConditionError
from cdc_triggers.core.cleanup import CleanupConfig  # noqa: TC001 - pydantic reads it
from cdc_triggers.core.condition import compiled
from cdc_triggers.core.model import Model
from cdc_triggers.core.transform_spec import (
    Flaw,
    FlawsError,
    RequestTransform,
    ResponseTransform,
)
from cdc_triggers.core.web import ENV_TEMPLATE, HEADER_NAME, header_problem, url_problem

NAME = re.compile(r"[A-Za-z]+[A-Za-z0-9_\-]*")
NAME_LENGTH = 42

LONGEST_S = 10_000_000_000
"""Times in a spec: what is due later has no date in Python, and much later none in PostgreSQL."""

_ENV_NAME = re.compile(r"[^\s={}]+")

Columns = Literal["*"] | tuple[str, ...]


def _env_name(value: str | None) -> str | None:
    if value is not None and not _ENV_NAME.fullmatch(value):
        raise ValueError("takes the bare name of a variable: write SHOP_URL, not {{SHOP_URL}}")
    return value


class Ordering(StrEnum):
    """What must not overtake what: rows of one key, nothing, or anything."""

    KEY = "key"
    NONE = "none"
    TOTAL = "total"


class Backoff(StrEnum):
    """How the interval grows from retry to retry."""

    CONSTANT = "constant"
    EXPONENTIAL = "exponential"


class Table(Model):
    """A table by schema and name, exactly as PostgreSQL stores them (no quotes)."""

    schema_name: str = Field(default="public", alias="schema", min_length=1)
    name: str = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """Accept `orders` and `public.orders`."""
        if isinstance(value, str):
            schema, dot, name = value.partition(".")
            return {"schema": schema, "name": name} if dot else {"name": value}
        return value

    def __str__(self) -> str:
        return f"{self.schema_name}.{self.name}"


class Operation(Model):
    """Which columns fire (UPDATE only) and which are sent; `*` is all of them."""

    columns: Columns = "*"
    payload: Columns = "*"

    @field_validator("columns", "payload")
    @classmethod
    def _not_empty(cls, value: Columns) -> Columns:
        if not value:
            raise ValueError('an empty column list fires for nothing: list columns, or write "*"')
        return value


class Definition(Model):
    """The operations a trigger listens to. At least one of the four is needed."""

    insert: Operation | None = None
    update: Operation | None = None
    delete: Operation | None = None
    enable_manual: bool = False

    @model_validator(mode="after")
    def _at_least_one(self) -> Definition:
        if not (self.insert or self.update or self.delete or self.enable_manual):
            raise ValueError(
                "needs at least one of insert, update, delete, enable_manual: "
                'write insert: {columns: "*"}'
            )
        return self


class Header(Model):
    """A request header with a literal value (`{{ENV}}` allowed) or one from the environment."""

    name: str = Field(min_length=1, pattern=HEADER_NAME)
    value: str | None = None
    value_from_env: str | None = None

    @model_validator(mode="after")
    def _one_value(self) -> Header:
        if self.value is None and self.value_from_env is None:
            raise ValueError('has no value: write value: "text", or value_from_env: SHOP_SECRET')
        if self.value is not None and self.value_from_env is not None:
            raise ValueError("has value and value_from_env: remove one of them")
        if problem := header_problem(self.value or ""):
            raise ValueError(problem)
        return self

    _bare_name = field_validator("value_from_env")(_env_name)


class RetryConf(Model):
    """When a failed attempt is made again. Attempts = num_retries + 1; times in seconds."""

    num_retries: int = Field(default=0, ge=0)
    interval_sec: int = Field(default=10, ge=0, le=LONGEST_S)
    timeout_sec: int = Field(default=60, ge=1, le=LONGEST_S)
    backoff: Backoff = Backoff.CONSTANT
    max_interval_sec: int = Field(default=3600, ge=1, le=LONGEST_S)
    jitter: bool = True


class Trigger(Model):
    """One event trigger, complete and valid in itself (tables and columns are checked by apply)."""

    name: str
    table: Table
    definition: Definition
    condition: str | None = None
    webhook: str | None = None
    webhook_from_env: str | None = None
    headers: tuple[Header, ...] = ()
    retry_conf: RetryConf = RetryConf()
    trigger_on_replication: bool = False
    stringify_numeric_types: bool = False
    ordering: Ordering = Ordering.KEY
    ordering_key: tuple[str, ...] = ()
    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 64
    request_transform: RequestTransform | None = None
    response_transform: ResponseTransform | None = None
    cleanup_config: CleanupConfig | None = None
    comment: str | None = None

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError(
                f"{value!r} is not a trigger name: start with a letter, "
                "then letters, digits, _ and - only"
            )
        if len(value) > NAME_LENGTH:
            raise ValueError(
                f"{value!r} has {len(value)} characters: at most {NAME_LENGTH}, shorten it"
            )
        return value

    _bare_name = field_validator("webhook_from_env")(_env_name)

    @field_validator("condition")
    @classmethod
    def _condition(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                compiled(value)
            except InvalidConditionError as error:
                flaws = (Flaw((), str(each), each.place.line) for each in error.problems)
                raise FlawsError(tuple(flaws)) from error
        return value

    @field_validator("webhook")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is not None and (problem := url_problem(value)):
            raise ValueError(problem)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Trigger:
        if self.webhook is None and self.webhook_from_env is None:
            raise ValueError(
                "has no webhook: write webhook: https://example.com/hook, "
                "or webhook_from_env: SHOP_URL"
            )
        if self.webhook is not None and self.webhook_from_env is not None:
            raise ValueError("has webhook and webhook_from_env: remove one of them")
        definition = self.definition
        if self.condition is not None and not (
            definition.insert or definition.update or definition.delete
        ):
            raise ValueError(
                "condition means nothing to a trigger that is only invoked by hand: "
                "remove it, or add insert, update or delete"
            )
        if self.ordering_key and self.ordering is not Ordering.KEY:
            raise ValueError(
                f"ordering_key means nothing with ordering: {self.ordering}: "
                "write ordering: key, or remove ordering_key"
            )
        return self

    def environment_names(self) -> frozenset[str]:
        """Names of the environment variables that a delivery of this trigger needs."""
        names = {n for h in self.headers if (n := h.value_from_env)}
        for text in (self.webhook or "", *(h.value or "" for h in self.headers)):
            names.update(ENV_TEMPLATE.findall(text))
        if self.webhook_from_env:
            names.add(self.webhook_from_env)
        return frozenset(names)
