from __future__ import annotations

import pytest
from pydantic import ValidationError

from gifcue.detect.settings import DetectSettings

WRONG = {
    "no endpoints": ({"backend": "triton"}, "expected detect.triton.endpoints"),
    "no port": ({"triton": {"endpoints": ["triton"]}}, "expected addresses host:port, got 'triton'"),
    "a URL": ({"triton": {"endpoints": ["http://triton:8000"]}}, "expected addresses host:port"),
    "one endpoint twice": ({"triton": {"endpoints": ["a:1", "a:1"]}}, "expected each address once"),
    "too many endpoints": (
        {"triton": {"endpoints": [f"a:{port}" for port in range(33)]}},
        "at most 32 items",
    ),
    "a certificate without a key": (
        {"triton": {"tls_certificate": "a.pem"}},
        "expected tls_certificate and tls_key",
    ),
    "an authority without TLS": (
        {"triton": {"insecure": True, "tls_ca": "a.pem"}},
        "expected insecure = false",
    ),
    "a deadline beyond what a stream can wait": (
        {"triton": {"deadline_ms": 500}},
        "less than or equal to 400",
    ),
    "a name of another folder": ({"triton": {"model": "../gifcue"}}, "should match pattern"),
}


@pytest.mark.parametrize(("given", "message"), WRONG.values(), ids=WRONG)
def test_wrong_settings_are_named(given, message) -> None:
    with pytest.raises(ValidationError, match=message):
        DetectSettings.model_validate(given)


def test_batches_grow_only_while_servers_run_the_networks() -> None:
    settings = DetectSettings.model_validate({"backend": "triton", "triton": {"endpoints": ["a:1"]}})
    assert (settings.batch_limit, settings.batch_limit_of("litert")) == (8, 1)
    with_limit = settings.model_copy(update={"max_batch": 4})
    assert (with_limit.batch_limit, with_limit.batch_limit_of("litert")) == (4, 4)
