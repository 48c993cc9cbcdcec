"""Whether a server makes traces, by its settings."""

from __future__ import annotations

from gifcue.errors import ConfigError
from gifcue.server.settings import TracingSettings
from gifcue.server.tracing import Tracing


def make_tracing(settings: TracingSettings) -> Tracing:
    """The tracing that the settings ask for.

    Raises:
        ConfigError: the packages for it are not installed.
    """
    if settings.endpoint is None:
        return Tracing()
    try:
        from gifcue.server.otel import otlp_tracing
    except ImportError as error:
        raise ConfigError(f"tracing.endpoint: expected the packages of gifcue[otel], got: {error}") from None
    return otlp_tracing(settings)
