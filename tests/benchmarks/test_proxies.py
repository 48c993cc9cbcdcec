from __future__ import annotations

import pytest

from benchmarks.proxies import FILES, ProgramMissing, expanded, program, with_tls


def test_only_gifcues_variables_are_expanded() -> None:
    assert (
        expanded("listen ${GIFCUE_A_GRPC}; $host ${other}", {"GIFCUE_A_GRPC": "1"})
        == "listen 1; $host ${other}"
    )
    with pytest.raises(KeyError, match="GIFCUE_NEW"):
        expanded("${GIFCUE_NEW}", {})


@pytest.mark.parametrize("name", ["envoy.yaml.template", "gifcue.conf.template"])
def test_the_marks_of_tls_are_removed(name: str) -> None:
    text = (FILES / name).read_text(encoding="utf-8")
    assert "\n#TLS" in text
    assert "\n#TLS" not in with_tls(text)


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(ProgramMissing, match="expected the program no-such-proxy"):
        program("no-such-proxy")
