"""No credential of a webhook's URL is in a span."""

from __future__ import annotations

import pytest

from cdc_triggers.core.spec import Trigger
from cdc_triggers.telemetry.redaction import redact, written_url

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        (f"https://user:{SECRET}@host/p", "https://REDACTED:REDACTED@host/p"),
        (f"https://{SECRET}@host/p", "https://REDACTED:REDACTED@host/p"),
        (f"https://user:a@{SECRET}@host/p", "https://REDACTED:REDACTED@host/p"),
        (f"https://host/p?a=1&sig={SECRET}&b=2", "https://host/p?a=1&sig=REDACTED&b=2"),
        (f"https://host/?X-Amz-Signature={SECRET}", "https://host/?X-Amz-Signature=REDACTED"),
        (f"https://host/?X-Amz-Credential={SECRET}", "X-Amz-Credential=REDACTED"),
        (f"https://host/?X-Goog-Signature={SECRET}", "X-Goog-Signature=REDACTED"),
        (f"https://host/?AWSAccessKeyId={SECRET}", "AWSAccessKeyId=REDACTED"),
        (f"https://host/?sv=2020&se={SECRET}&sig={SECRET}", "sig=REDACTED"),
        (f"https://host/?access_token={SECRET}#id_token={SECRET}", "access_token=REDACTED"),
        (f"https://host/?API_KEY={SECRET}", "API_KEY=REDACTED"),
        (f"https://host/?code={SECRET}", "code=REDACTED"),
    ],
)
def test_credentials_are_hidden_and_the_rest_kept(url: str, kept: str) -> None:
    assert SECRET not in redact(url)
    assert kept in redact(url)


@pytest.mark.parametrize(
    "url", ["https://host:8443/a/b?page=2&q=x", "https://host/a@b", "https://host/?token={{T}}"]
)
def test_url_without_credentials_stays_as_it_is(url: str) -> None:
    assert redact(url) == url


def test_values_of_the_environment_stay_names() -> None:
    common = {"name": "a", "table": "t", "definition": {"insert": {}}}
    named = Trigger.model_validate({**common, "webhook_from_env": "HOOK"})
    filled = Trigger.model_validate({**common, "webhook": "{{BASE}}/orders?key={{KEY}}"})
    assert written_url(named) == "{{HOOK}}"
    assert written_url(filled) == "{{BASE}}/orders?key={{KEY}}"
