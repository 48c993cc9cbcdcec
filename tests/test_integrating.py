"""docs/integrating.md lists each status, reason, fault, feature and limit of the wire, and nothing beside them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import grpc
import pytest

from gifcue.client.exceptions import error_of
from gifcue.protocol.features import FEATURES
from gifcue.protocol.reasons import (
    SLOW_DOWN_REASONS,
    DropReason,
    FaultCode,
    KeyframeReason,
    LeaveReason,
    SkipReason,
)
from gifcue.reactions.events import EndReason
from gifcue.rules.chooser import Withheld
from gifcue.server.status_codes import OF_STREAMS
from gifcue.server.websocket_transport import CLOSE_CODE_BASE
from gifcue.v1 import reaction_service_pb2 as pb

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "integrating.md").read_text(encoding="utf-8")
SOURCES = ROOT / "src" / "gifcue"
# Statuses that gRPC itself sends.
OF_GRPC = {"UNIMPLEMENTED"}


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    begin = re.search(rf"^#+ {re.escape(heading)}$", DOCUMENT, re.MULTILINE)
    assert begin is not None, f"expected the heading {heading!r} in docs/integrating.md"
    table: list[list[str]] = []
    for line in DOCUMENT[begin.end() :].splitlines():
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip("|").split("|")])
        elif table or line.startswith("#"):
            break
    return table[2:]


def names(heading: str) -> list[str]:
    """The first cells of a table, without the marks of code."""
    return [row[0].strip("`") for row in rows(heading)]


@pytest.mark.parametrize(
    ("heading", "in_code"),
    [
        ("Frames dropped", DropReason),
        ("Frames skipped", SkipReason),
        ("Ends of reactions", [*EndReason, *LeaveReason]),
        ("Reasons of keyframe requests", KeyframeReason),
        ("Reasons to slow down", SLOW_DOWN_REASONS),
        ("GIFs withheld", Withheld),
        ("Features", FEATURES),
        ("Limits", [field.name for field in pb.EffectiveLimits.DESCRIPTOR.fields]),
    ],
)
def test_a_table_has_what_the_code_has(heading: str, in_code: Iterable[str]) -> None:
    assert sorted(names(heading)) == sorted(str(each) for each in in_code)


def test_the_faults_are_those_of_the_wire() -> None:
    listed = {row[0].strip("`"): int(row[1]) for row in rows("Faults")}
    on_the_wire = {
        each.name.removeprefix("FAULT_CODE_"): each.number for each in pb.FaultCode.DESCRIPTOR.values
    }
    assert listed == on_the_wire
    assert set(listed) == {each.name for each in FaultCode}


def trees(*packages: str) -> Iterable[tuple[str, ast.AST]]:
    for package in packages:
        for path in sorted((SOURCES / package).rglob("*.py")):
            yield str(path.relative_to(SOURCES)), ast.parse(path.read_text(encoding="utf-8"))


def statuses_in_code() -> set[str]:
    """Every status that the server's code names, such as `grpc.StatusCode.OK`."""
    return {
        node.attr
        for _, tree in trees("server")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "StatusCode"
    }


def test_the_statuses_are_those_of_the_server() -> None:
    assert sorted(names("When a stream ends")) == sorted(statuses_in_code() | OF_GRPC)


def test_the_metrics_have_a_series_for_each_status() -> None:
    assert {status.name for status in OF_STREAMS} == statuses_in_code()


def test_the_close_codes_follow_the_statuses() -> None:
    for name, close_code, *_ in rows("When a stream ends"):
        number = grpc.StatusCode[name.strip("`")].value[0]
        expected = "–" if name.strip("`") in OF_GRPC else str(CLOSE_CODE_BASE + number)
        assert close_code == expected, name


def test_the_client_library_tries_again_where_the_table_says_so() -> None:
    for name, _, _, again in rows("When a stream ends"):
        code = grpc.StatusCode[name.strip("`")]
        if code is not grpc.StatusCode.OK:
            assert again.startswith("yes") == error_of(code, "").retryable, name


# Calls that give a reason to a client.
GIVERS = {
    "finish",
    "leave",
    "_depart",
    "_request_keyframe",
    "_ask_to_slow_down",
    "stop",
    "_stop",
    "_stop_all",
}


def test_no_reason_is_written_as_text_where_it_is_given() -> None:
    # A reason beside the enumerations would be missing from the tables.
    written = [
        f"{path}:{node.lineno}"
        for path, tree in trees("engine", "reactions", "server")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in GIVERS
        for argument in [*node.args, *(each.value for each in node.keywords)]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]
    assert written == []
