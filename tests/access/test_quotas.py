from __future__ import annotations

import pytest

from gifcue.access import quotas as module
from gifcue.access.quotas import BURST_S, Quotas
from gifcue.access.refusals import OverQuota, Reason
from gifcue.access.settings import AccessSettings
from tests.support.manual_time import ManualTime


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


def refused(call: object) -> OverQuota:
    with pytest.raises(OverQuota) as error:
        call()  # type: ignore[operator]
    assert error.value.retry_after_s is not None
    assert error.value.retry_after_s > 0
    return error.value


def test_streams_of_one_caller(time: ManualTime) -> None:
    quotas = Quotas(AccessSettings(max_streams=2), time.clock)
    quotas.open_stream("a")
    quotas.open_stream("a")
    assert refused(lambda: quotas.open_stream("a")).reason is Reason.STREAMS
    quotas.open_stream("b")
    quotas.open_stream("a", replaces=True)
    quotas.close_stream("a")
    assert refused(lambda: quotas.open_stream("a")).reason is Reason.STREAMS
    quotas.close_stream("a")
    quotas.open_stream("a")


def test_participants_of_one_caller_over_all_its_streams(time: ManualTime) -> None:
    quotas = Quotas(AccessSettings(max_participants=2), time.clock)
    quotas.open_stream("a")
    quotas.open_stream("a")
    quotas.join("a", is_new=True)
    quotas.join("a", is_new=True)
    assert refused(lambda: quotas.join("a", is_new=True)).reason is Reason.PARTICIPANTS
    # One that takes the place of another is none more.
    quotas.join("a", is_new=False)
    quotas.leave("a")
    quotas.join("a", is_new=True)


@pytest.mark.parametrize("rate", [0.05, 1.0, 20.0])
def test_a_rate_admits_a_burst_and_then_one_at_a_time(time: ManualTime, rate: float) -> None:
    quotas = Quotas(AccessSettings(stills_per_s=rate), time.clock)
    for _ in range(max(1, int(rate * BURST_S))):
        quotas.still("a")
    error = refused(lambda: quotas.still("a"))
    assert error.reason is Reason.STILLS
    assert error.retry_after_s == pytest.approx(1 / rate)
    quotas.still("b")
    # What was refused costs nothing: after the time that it names, one is admitted.
    time.advance(1 / rate + 1e-6)
    quotas.still("a")
    refused(lambda: quotas.still("a"))


def test_joins_and_rejoins_are_one_rate(time: ManualTime) -> None:
    quotas = Quotas(AccessSettings(joins_per_s=1.0), time.clock)
    quotas.open_stream("a")
    for number in range(int(BURST_S)):
        quotas.join("a", is_new=number == 0)
    assert refused(lambda: quotas.join("a", is_new=False)).reason is Reason.JOINS


def test_zero_means_any_number(time: ManualTime) -> None:
    quotas = Quotas(AccessSettings(joins_per_s=0.0, stills_per_s=0.0), time.clock)
    quotas.open_stream("a")
    for _ in range(5000):
        quotas.still("a")
        quotas.join("a", is_new=True)


def test_what_is_remembered_is_bounded(time: ManualTime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 100)
    quotas = Quotas(AccessSettings(max_streams=1, stills_per_s=0.1), time.clock)
    quotas.open_stream("streaming")
    quotas.still("streaming")
    for number in range(1000):
        quotas.still(f"caller {number}")
    assert quotas.remembered == 101
    # A caller with a stream is never forgotten, and the one seen last is remembered as well.
    refused(lambda: quotas.open_stream("streaming"))
    refused(lambda: quotas.still("streaming"))
    refused(lambda: quotas.still("caller 999"))
