"""File descriptors: how many the process may have, and how many of them connections may take.

Whoever opens connections must not take the descriptors that a worker's restart, a log file or a probe needs. So each
port has a bound on its connections, which follows from the limit that is in force.
"""

from __future__ import annotations

import resource
from typing import NamedTuple

import structlog

from gifcue.server.config import Settings

log = structlog.get_logger()

# Standard streams, event loops of asyncio and gRPC, ports, shared memory and the log take 22. The others are for files
# that are read now and then: GIFs, the rule book, certificates and /proc.
_BASE = 30
# A worker's channel and process, and what is open for a moment while it starts.
_OF_A_WORKER = 2
_OF_A_START = 6
# A probe and an operator must get in, however low the limit is.
_LEAST = 2
# Connections beside streams that one port has at most.
_MOST = 512
# Where the system allows so many descriptors or more, other limits are reached first.
_PLENTY = 1 << 16


class Connections(NamedTuple):
    """Connections that each port takes at most."""

    grpc: int
    http: int
    operator_grpc: int
    operator_http: int


def raise_limit() -> int:
    """Raises the process' limit of descriptors as far as it is allowed; returns the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _PLENTY if hard == resource.RLIM_INFINITY else min(hard, _PLENTY)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError) as error:
            log.warning("the limit of descriptors could not be raised", limit=soft, reason=str(error))
    return limit_in_force()


def limit_in_force() -> int:
    """Descriptors that the process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _PLENTY if soft == resource.RLIM_INFINITY else soft


def connections_of(settings: Settings) -> Connections:
    """What each port of a server with these settings may take of the limit in force."""
    sinks = [sink for sink in (settings.delivery.webhook, settings.delivery.eyeson) if sink is not None]
    return share_out(
        limit_in_force(),
        workers=settings.media.workers + settings.detect.workers + settings.stills.workers,
        deliveries=sum(sink.queue.max_requests for sink in sinks),
        # A client may open a connection for each of its streams, over gRPC or WebSocket; beside them come stills and
        # probes.
        max_main=settings.server.max_streams + _MOST,
        max_operator=_MOST,
    )


def share_out(limit: int, *, workers: int, deliveries: int, max_main: int, max_operator: int) -> Connections:
    """What each port may take of `limit` descriptors.

    `deliveries` are requests of sinks at the same time; `max_main` and `max_operator` are more than is ever useful.
    """
    free = limit - _BASE - _OF_A_WORKER * workers - _OF_A_START - deliveries
    return Connections(
        grpc=_within(free * 3 // 8, max_main),
        http=_within(free * 3 // 8, max_main),
        operator_grpc=_within(free // 8, max_operator),
        operator_http=_within(free // 8, max_operator),
    )


def _within(count: int, most: int) -> int:
    return max(_LEAST, min(count, most))
