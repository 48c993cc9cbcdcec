from __future__ import annotations

import pytest

from tools import import_cycles
from tools.import_cycles import find_cycles, shortest_cycle


def test_modules_without_a_cycle_give_no_result() -> None:
    assert list(find_cycles({"a": {"b", "c"}, "b": {"c"}, "c": set()})) == []


def test_a_cycle_is_reported_as_its_shortest_chain() -> None:
    imports = {"a": {"b", "c"}, "b": {"c"}, "c": {"d"}, "d": {"a"}}
    assert shortest_cycle(imports, "a") == ("a", "c", "d")
    assert list(find_cycles(imports)) == [("a", "c", "d"), ("b", "c", "d", "a")]


def test_each_cycle_is_reported_once() -> None:
    imports = {"a": {"b"}, "b": {"a"}, "c": {"a", "d"}, "d": {"c"}}
    assert list(find_cycles(imports)) == [("a", "b"), ("c", "d")]


def test_a_module_that_only_imports_a_cycle_is_not_on_it() -> None:
    assert shortest_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}, "a") == ()


def test_the_command_prints_chains_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(import_cycles, "read_imports", lambda: {"a": {"b"}, "b": {"a"}})
    assert import_cycles.main() == 1
    assert capsys.readouterr().out == "a -> b -> a\nimport cycles: 1\n"
    monkeypatch.setattr(import_cycles, "read_imports", lambda: {"a": {"b"}, "b": set()})
    assert import_cycles.main() == 0
    assert capsys.readouterr().out == "no import cycles\n"


def test_imports_for_types_and_inside_functions_count() -> None:
    imports = import_cycles.read_imports()
    # `cli.serve` imports the first under TYPE_CHECKING, and the second inside of its function.
    assert {"gifcue.detect.settings", "gifcue.server.process"} <= set(imports["gifcue.cli.serve"])
