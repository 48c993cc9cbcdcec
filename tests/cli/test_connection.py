"""How the command line names servers."""

from __future__ import annotations

import pytest

from gifcue.cli.connection import client_of
from gifcue.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "is_single"),
    [
        ("127.0.0.1:1", True),
        (["127.0.0.1:1"], True),
        (["localhost:1"], True),
        (["dns:///gifcue:1"], True),
        (["gifcue.fleet:1"], False),
        (["10.0.0.1:1", "10.0.0.2:1"], False),
    ],
)
def test_several_addresses_or_a_host_name_are_placed_among(given: str | list[str], is_single: bool) -> None:
    client = client_of(given)
    assert (client._single is not None) is is_single
    assert client.target == (given if isinstance(given, str) else ", ".join(given))


@pytest.mark.parametrize("wrong", ["gifcue", "gifcue:http", ":1", "gifcue:99999"])
def test_each_of_several_addresses_is_checked(wrong: str) -> None:
    with pytest.raises(ConfigError, match=f"expected HOST:PORT such as 127.0.0.1:50051, got '{wrong}'"):
        client_of(["10.0.0.1:1", wrong])


def test_a_token_without_encryption_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GIFCUE_TOKEN", "a-token")
    client_of(["127.0.0.1:1", "127.0.0.1:2"])
    assert "without encryption" not in capsys.readouterr().err
    client_of(["127.0.0.1:1", "10.0.0.2:2"])
    assert "without encryption" in capsys.readouterr().err
