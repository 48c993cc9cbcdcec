"""The environment of a child."""

from __future__ import annotations

import os

import pytest

from gifcue.workers.environment import clean_environment, inherited


def test_a_child_gets_what_it_needs_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    needed = {"PATH": "/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONPATH": "/x", "LD_LIBRARY_PATH": "/l"}
    secret = {
        "GIFCUE_DELIVERY__WEBHOOK__SECRET": "hush",
        "AWS_SECRET_ACCESS_KEY": "hush",
        "PYTHONSTARTUP": "/x",
        "HOME": "/root",
        "XLC_ALL": "hush",
    }
    for name, value in {**needed, **secret}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("site.ENABLE_USER_SITE", False)
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    assert clean_environment() == needed | one_thread


def test_what_is_installed_for_the_user_is_found_without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUSERBASE", raising=False)
    monkeypatch.setattr("site.ENABLE_USER_SITE", True)
    monkeypatch.setattr("site.getuserbase", lambda: "/home/me/.local")
    assert clean_environment()["PYTHONUSERBASE"] == "/home/me/.local"


def test_further_variables_are_inherited_by_name_or_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TF_ONE", "TF_TWO", "THREE", "FOUR"):
        monkeypatch.setenv(name, "x")
    assert inherited({"THREE"}, ("TF_O",)) == {"TF_ONE": "x", "THREE": "x"}
