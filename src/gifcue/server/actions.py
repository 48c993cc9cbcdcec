"""The log of what operators do: one line for each action, with its caller."""

from __future__ import annotations

import structlog

from gifcue.server import call_identity

log = structlog.get_logger()


def log_action(action: str, **fields: object) -> None:
    """Logs an action of the present call's caller."""
    caller = call_identity.caller.get()
    who = "" if caller is None else caller.key
    # A warning, so that it is also in logs of that level.
    log.warning("operator's action", action=action, caller=who, **fields)
