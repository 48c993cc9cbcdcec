from __future__ import annotations

import pytest
from pydantic import ValidationError

from gifcue.detect.settings import DetectSettings
from gifcue.errors import ConfigError
from gifcue.server.exposure import check_inference

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
        {"triton": {"tls": True, "tls_certificate": "a.pem"}},
        "expected tls_certificate and tls_key",
    ),
    "an authority without TLS": ({"triton": {"tls_ca": "a.pem"}}, "expected tls = true"),
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


@pytest.mark.parametrize(
    ("triton", "is_accepted"),
    [
        ({"endpoints": ["127.0.0.1:8001"]}, True),
        ({"endpoints": ["localhost:8001", "triton-0:8001"]}, False),
        ({"endpoints": ["triton-0:8001"], "tls": True}, True),
        ({"endpoints": ["triton-0:8001"], "insecure": True}, True),
    ],
)
def test_pictures_leave_the_machine_unencrypted_only_where_that_is_accepted(triton, is_accepted) -> None:
    settings = DetectSettings.model_validate({"backend": "triton", "triton": triton})
    if is_accepted:
        check_inference(settings)
    else:
        with pytest.raises(ConfigError, match="triton-0:8001 is another machine"):
            check_inference(settings)


def test_batches_grow_only_while_servers_run_the_networks() -> None:
    settings = DetectSettings.model_validate({"backend": "triton", "triton": {"endpoints": ["a:1"]}})
    assert (settings.batch_limit, settings.batch_limit_of("litert")) == (8, 1)
    with_limit = settings.model_copy(update={"max_batch": 4})
    assert (with_limit.batch_limit, with_limit.batch_limit_of("litert")) == (4, 4)
