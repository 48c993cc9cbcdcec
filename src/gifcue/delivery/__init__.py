"""Hands chosen GIFs on to other systems. Optional, off by default; knows nothing of video, of gRPC or of the engine."""

from gifcue.delivery.dispatcher import Dispatcher
from gifcue.delivery.queue import DeliveryQueue, DeliveryStatistics
from gifcue.delivery.settings import CourierSettings, DeliverySettings, EyesonSettings, WebhookSettings
from gifcue.delivery.sink import Answer, Cue, DeadReason, Sink, Verdict

__all__ = [
    "Answer",
    "CourierSettings",
    "Cue",
    "DeadReason",
    "DeliveryQueue",
    "DeliverySettings",
    "DeliveryStatistics",
    "Dispatcher",
    "EyesonSettings",
    "Sink",
    "Verdict",
    "WebhookSettings",
]
