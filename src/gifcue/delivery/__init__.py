"""Delivers chosen GIFs to other systems. Optional and off by default. Knows nothing of video, gRPC or the engine.

Dispatcher     submits each Cue to every configured sink
DeliveryQueue  delivers cues to one sink, at most once each
Sink           the interface of a sink; WebhookSink and EyesonSink implement it
"""

from gifcue.delivery.dispatcher import Dispatcher, RejectedGifs
from gifcue.delivery.queue import DeliveryQueue, DeliveryStatistics
from gifcue.delivery.settings import DeliverySettings, EyesonSettings, QueueSettings, WebhookSettings
from gifcue.delivery.sink import AttemptOutcome, AttemptResult, Cue, CueGif, DeadReason, Sink

__all__ = [
    "AttemptOutcome",
    "AttemptResult",
    "Cue",
    "CueGif",
    "DeadReason",
    "DeliveryQueue",
    "DeliverySettings",
    "DeliveryStatistics",
    "Dispatcher",
    "EyesonSettings",
    "QueueSettings",
    "RejectedGifs",
    "Sink",
    "WebhookSettings",
]
