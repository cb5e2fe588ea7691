"""No password of a connection string is ever shown."""

from __future__ import annotations

import pytest

from cdc_triggers.postgres.connect import redact

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("dsn", "kept"),
    [
        (f"postgresql://user:{SECRET}@host:5432/db", "postgresql://user:***@host:5432/db"),
        (f"postgres://user:a@{SECRET}/x@host/db", "postgres://user:***@host/db"),
        (f"postgresql://host/db?user=u&password={SECRET}&x=1", "&password=***&x=1"),
        (f"postgresql://host/db?sslpassword={SECRET}", "sslpassword=***"),
        (f"postgresql://:{SECRET}@host/db", "@host/db"),
        (f"host=h password={SECRET} dbname=d", "host=h password=*** dbname=d"),
        (f"host=h password = '{SECRET} it\\'s {SECRET}' dbname=d", "dbname=d"),
        (f"host=h password=a&{SECRET}", "host=h"),
        (f"host=h password=a\\ {SECRET} dbname=d", "dbname=d"),
        (f"host=h PASSWORD='{SECRET}", "host=h"),
        (f"sslpassword={SECRET}", "sslpassword=***"),
    ],
)
def test_password_is_hidden_and_the_rest_kept(dsn: str, kept: str) -> None:
    assert SECRET not in redact(dsn)
    assert kept in redact(dsn)


@pytest.mark.parametrize("dsn", ["", "postgresql://user@host/db", "host=h user=u", "service=shop"])
def test_string_without_a_password_stays_as_it_is(dsn: str) -> None:
    assert redact(dsn) == dsn
