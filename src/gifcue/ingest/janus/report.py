"""The report on a VideoRoom for the operator who runs the adapter."""

from __future__ import annotations

from typing import Literal

from gifcue.ingest.janus.forward import PublisherForward
from gifcue.ingest.janus.videoroom import Publisher
from gifcue.ingest.report import Notice, PublisherTotals

Kind = Literal["joined", "forwarded", "replaced", "copies", "stopped", "refused", "disconnected"]


def totals_of(forward: PublisherForward) -> PublisherTotals:
    """What has become of a forward's packets and frames so far."""
    receiver = forward.source.receiver
    return PublisherTotals(
        receiver.packets,
        receiver.units,
        forward.feed.sent,
        forward.feed.not_sent,
        forward.source.keyframes_requested,
        forward.source.dropped,
    )


def notice_of(kind: Kind, publisher: Publisher, detail: str = "") -> Notice:
    """A notice about a publisher."""
    return Notice(kind, str(publisher.id), publisher.display or "", detail)
