"""Hands chosen GIFs on to other systems. Optional, off by default; knows nothing of video, of gRPC or of the engine."""

from gifcue.delivery.dispatcher import Dispatcher
from gifcue.delivery.queue import DeliveryQueue, DeliveryStatistics
from gifcue.delivery.settings import DeliverySettings, EyesonSettings, QueueSettings, WebhookSettings
from gifcue.delivery.sink import Answer, Cue, DeadReason, Sink, Verdict

__all__ = [
    "Answer",
    "Cue",
    "DeadReason",
    "DeliveryQueue",
    "DeliverySettings",
    "DeliveryStatistics",
    "Dispatcher",
    "EyesonSettings",
    "QueueSettings",
    "Sink",
    "Verdict",
    "WebhookSettings",
]
