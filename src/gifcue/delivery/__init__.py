"""Hands chosen GIFs on to other systems. Optional, off by default; knows nothing of video, of gRPC or of the engine."""

from gifcue.delivery.courier import Courier, CourierStatistics
from gifcue.delivery.dispatcher import Dispatcher
from gifcue.delivery.settings import CourierSettings, DeliverySettings, EyesonSettings, WebhookSettings
from gifcue.delivery.sink import Answer, Cue, DeadReason, Sink, Verdict

__all__ = [
    "Answer",
    "Courier",
    "CourierSettings",
    "CourierStatistics",
    "Cue",
    "DeadReason",
    "DeliverySettings",
    "Dispatcher",
    "EyesonSettings",
    "Sink",
    "Verdict",
    "WebhookSettings",
]
