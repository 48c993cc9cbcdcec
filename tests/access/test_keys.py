from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from structlog.testing import capture_logs

from gifcue.access.files import add_entry, write_secret
from gifcue.access.grants import Scope
from gifcue.access.issue import issue_token, new_key, token_digest, token_entry
from gifcue.access.keys import KeySet, parse_keys
from gifcue.access.watch import KeysWatcher
from gifcue.errors import ConfigError

SECRET = "correct-horse-battery-staple-0123456789"
# The name of a test must not vary from process to process, so this is no `new_token`.
DIGEST = token_digest("gct_" + "A" * 43)


def public_pem(key: rsa.RSAPrivateKey | ed448.Ed448PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        parse_keys(text.encode())
    assert SECRET not in str(refused.value)
    assert DIGEST not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at least one key or token"),
        (f'secret = "{SECRET}"', "the tables `keys` and `tokens` alone"),
        (f"[keys.a]\nalgorithm = HS256\nsecret = {SECRET}", "TOML, see line 2"),
        (f'keys = "{SECRET}"', "keys: expected a table"),
        (f'[keys]\na = "{SECRET}"', "keys.a: expected a table"),
        (f'[keys."{SECRET} "]\nalgorithm = "HS256"', "keys: expected names of 1 to 128"),
        (
            f'[keys.a]\nalgorithm = "none"\nsecret = "{SECRET}"',
            'keys.a.algorithm: expected "HS256" or "EdDSA"',
        ),
        (f'[keys.a]\nalgorithm = "HS512"\nsecret = "{SECRET}"', "keys.a.algorithm"),
        (
            '[keys.a]\nalgorithm = "HS256"\nsecret = "short"',
            "keys.a.secret: expected at least 32 bytes, got 5",
        ),
        ('[keys.a]\nalgorithm = "HS256"', "keys.a.secret: expected a string"),
        (
            f'[keys.a]\nalgorithm = "EdDSA"\npublic_key = "{SECRET}"',
            "keys.a.public_key: expected a public key",
        ),
        (
            f'[keys.a]\nalgorithm = "HS256"\nsecret = "{SECRET}"\nscope = ["x"]',
            "keys.a.scope: expected no such",
        ),
        (f'[keys.a]\nalgorithm = "HS256"\nsecret = "{SECRET}"\n"{SECRET}" = 1', "keys.a.one field"),
        (
            f'[keys.a]\nalgorithm = "HS256"\nsecret = "{SECRET}"\nscopes = ["all"]',
            "expected scopes out of stream",
        ),
        (f'[keys.a]\nalgorithm = "HS256"\nsecret = "{SECRET}"\nrooms = "*"', "keys.a.rooms: expected a list"),
        (f'[tokens.a]\nsha256 = "{SECRET}"\nscopes = ["operate"]', "tokens.a.sha256: expected 64"),
        (f'[tokens.a]\nsha256 = "{DIGEST}"', "tokens.a.scopes: expected one or more of"),
        (f'[tokens.a]\nsha256 = "{DIGEST}"\nscopes = ["stream"]', "tokens.a.rooms: expected the rooms"),
        (
            f'[tokens.a]\nsha256 = "{DIGEST}"\nscopes = ["operate"]\nexpires = 2030-01-01',
            "tokens.a.expires: expected a time with its zone",
        ),
    ],
)
def test_a_wrong_file_is_refused_without_its_values(text: str, words: str) -> None:
    assert words in refusal(text)


def test_only_keys_of_ed25519_are_taken() -> None:
    for key in (rsa.generate_private_key(65537, 2048), ed448.Ed448PrivateKey.generate()):
        text = f'[keys.a]\nalgorithm = "EdDSA"\npublic_key = """\n{public_pem(key)}"""'
        assert "keys.a.public_key: expected a key of Ed25519" in refusal(text)


def test_a_public_key_as_a_secret_is_refused() -> None:
    pem = public_pem(rsa.generate_private_key(65537, 2048))
    assert "got a key file" in refusal(f'[keys.a]\nalgorithm = "HS256"\nsecret = """\n{pem}"""')


def test_a_file_is_bounded() -> None:
    assert "at most 1048576 bytes" in refusal("#" * (1024 * 1024 + 1))
    many = "\n".join(f'[tokens.t{n}]\nsha256 = "{DIGEST}"\nscopes = ["operate"]' for n in range(1025))
    assert "at most 1024 keys and tokens, got 1025" in refusal(many)


def test_no_secret_is_shown_where_keys_are_printed() -> None:
    keys = parse_keys(f'[keys.a]\nalgorithm = "HS256"\nsecret = "{SECRET}"'.encode())
    assert SECRET not in repr(keys)
    pair = new_key("a", "HS256")
    assert pair.signing.strip() not in repr(pair)


def test_what_vouches() -> None:
    one, two = new_key("a", "HS256"), new_key("a", "HS256")
    entry = token_entry("t", DIGEST, [Scope.OPERATE], None, None)
    keys = parse_keys((one.entry + entry).encode())
    key, token = keys.keys["a"], keys.tokens[0]
    same = parse_keys((one.entry + entry + new_key("b", "EdDSA").entry).encode())
    assert same.vouches_for(key)
    assert same.vouches_for(token)
    # Another secret under the same name, a key that grants less, and neither of both.
    for changed in (two.entry + entry, one.entry + 'rooms = ["weekly"]\n' + entry):
        assert not parse_keys(changed.encode()).vouches_for(key)
    without = parse_keys(new_key("b", "EdDSA").entry.encode())
    assert not without.vouches_for(key)
    assert not without.vouches_for(token)


def watched(path: Path, text: str) -> KeysWatcher:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return KeysWatcher(path)


def test_a_changed_file_is_taken_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    watcher = watched(path, new_key("one", "EdDSA").entry)
    assert watcher.look() is None
    add_entry(path, new_key("two", "HS256").entry)
    keys = watcher.look()
    assert isinstance(keys, KeySet)
    assert set(keys.keys) == {"one", "two"}
    sound = path.read_text(encoding="utf-8")
    with capture_logs() as logs:
        path.write_text(sound[:-20], encoding="utf-8")
        assert watcher.look() is None
        assert watcher.look() is None
        path.unlink()
        assert watcher.look() is None
    assert [each["log_level"] for each in logs] == ["warning", "warning"]
    assert set(watcher.keys.keys) == {"one", "two"}
    path.write_text(new_key("three", "EdDSA").entry, encoding="utf-8")
    assert watcher.look() is not None
    assert set(watcher.keys.keys) == {"three"}


def test_a_server_does_not_start_with_a_wrong_or_missing_file(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"access\.keys: .*keys\.toml: expected a readable file: No such file"
    ):
        KeysWatcher(tmp_path / "keys.toml")
    with pytest.raises(ConfigError, match=r"keys\.toml: expected at least one key"):
        watched(tmp_path / "keys.toml", "")


def test_a_file_that_everybody_reads_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    watched(path, new_key("one", "HS256").entry)
    path.chmod(0o644)
    with capture_logs() as logs:
        KeysWatcher(path)
    assert [each["event"] for each in logs] == ["the keys file can be read by every user of this machine"]


def test_secrets_are_written_for_their_owner_and_never_over_another_file(tmp_path: Path) -> None:
    path = tmp_path / "mcu.key"
    write_secret(path, "x")
    assert os.stat(path).st_mode & 0o777 == 0o600  # noqa: PTH116
    with pytest.raises(ConfigError, match="expected a file that does not exist yet"):
        write_secret(path, "y")
    assert path.read_text(encoding="utf-8") == "x"


def test_entries_are_added_under_names_that_are_free(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    add_entry(path, new_key("a", "EdDSA").entry)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"expected a name that is free, got keys\.a"):
        add_entry(path, new_key("a", "HS256").entry)
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["keys.toml"]


def test_a_wrong_signing_key_is_refused() -> None:
    for text in (
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        public_pem(rsa.generate_private_key(65537, 2048)),
    ):
        with pytest.raises(ConfigError, match="expected a private key of Ed25519"):
            issue_token(text, key_name="a", scopes=[Scope.ANNOTATE], now_s=0.0, lifetime_s=1.0)
