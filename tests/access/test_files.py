"""Keys files: whoever adds an entry leaves the file to the server's user."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gifcue.access import files
from gifcue.access.files import add_entry
from gifcue.errors import ConfigError


def entry(name: str) -> str:
    return f'[tokens.{name}]\nsha256 = "{"0" * 64}"\nscopes = ["observe"]\n'


def test_a_new_file_is_for_its_owner_alone_and_a_known_one_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    add_entry(path, entry("one"))
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    add_entry(path, entry("two"))
    assert path.stat().st_mode & 0o777 == 0o640


def test_the_owner_and_the_group_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.toml"
    add_entry(path, entry("one"))
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(files, "_owner_of", lambda path: (-1, -1))
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: given.append((uid, gid)))
    add_entry(path, entry("two"))
    assert given == [(path.stat().st_uid, path.stat().st_gid)]


def test_an_owner_that_cannot_be_kept_is_an_error_and_leaves_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, uid: int, gid: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    path = tmp_path / "keys.toml"
    add_entry(path, entry("one"))
    before = path.read_bytes()
    monkeypatch.setattr(files, "_owner_of", lambda path: (-1, -1))
    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(ConfigError, match=r"can be written, .*Operation not permitted"):
        add_entry(path, entry("two"))
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [before]
