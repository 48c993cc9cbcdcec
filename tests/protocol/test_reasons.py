from __future__ import annotations

from gifcue.protocol.reasons import FAULT_CODES, DropReason, SkipReason


def test_a_reason_is_either_for_skipping_or_for_dropping() -> None:
    assert not {each.value for each in DropReason} & {each.value for each in SkipReason}


def test_a_fault_is_named_as_the_reason_that_it_reports() -> None:
    # The worker that is lost is the one decode worker of the participant, so its fault has a shorter name.
    # CPU time and memory are two reasons for the same fault.
    renamed = {DropReason.DECODE_WORKER_LOST: "worker_lost", DropReason.CPU_BUDGET: "too_expensive"}
    assert {reason: code.value for reason, code in FAULT_CODES.items()} == {
        reason: renamed.get(reason, reason.value) for reason in FAULT_CODES
    }
