"""How descriptors are shared out."""

from __future__ import annotations

import resource

import pytest

from gifcue.server.descriptors import Connections, raise_limit, share_out


def test_workers_logs_and_probes_keep_theirs() -> None:
    shares = share_out(64, workers=3, deliveries=0, max_main=1000, max_operator=500)
    assert shares == Connections(grpc=8, http=8, operator_grpc=2, operator_http=2)
    assert sum(shares) < 64 - 30 - 6


def test_no_port_has_more_than_is_useful_or_less_than_a_probe_needs() -> None:
    assert share_out(1 << 16, workers=3, deliveries=8, max_main=1536, max_operator=512) == Connections(
        grpc=1536, http=1536, operator_grpc=512, operator_http=512
    )
    assert share_out(20, workers=64, deliveries=8, max_main=1536, max_operator=512) == Connections(2, 2, 2, 2)


def test_the_limit_is_raised_as_far_as_it_is_allowed() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] == resource.RLIM_INFINITY or before[1] < 512:
        pytest.skip("this process may not have as many descriptors as the test needs")
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        assert raise_limit() == min(before[1], 1 << 16)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
