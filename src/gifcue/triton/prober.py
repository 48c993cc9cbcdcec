"""Checks the endpoints: those in use, so that a loss is noticed without pictures, and those out of use, until they are
back. A thread for each, because a server that hangs must not delay the check of another.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence

from gifcue.triton.endpoint import Endpoint, Failure
from gifcue.triton.figures import Figures

# The pauses of many servers spread by so much, so that their checks do not come at once.
_SPREAD = 0.2


class Prober:
    """`check` asks an endpoint whether its models are ready, `try_out` runs them; both raise Failure."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        check: Callable[[Endpoint], None],
        try_out: Callable[[Endpoint], None],
        figures: Figures,
        interval_s: float,
    ) -> None:
        self._check = check
        self._try_out = try_out
        self._figures = figures
        self._interval_s = interval_s
        self._endpoints = endpoints
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._run, args=(endpoint,), name=f"probe {endpoint.address}", daemon=True
            )
            for endpoint in endpoints
        ]

    def start(self, wait_s: float) -> None:
        """Starts the threads and waits for the first check of each, for `wait_s` at most. Calling it again does
        nothing.
        """
        if self._threads and self._threads[0].ident is not None:
            return
        for thread in self._threads:
            thread.start()
        until_s = time.monotonic() + wait_s
        for endpoint in self._endpoints:
            endpoint.was_probed.wait(max(0.0, until_s - time.monotonic()))

    def stop(self) -> None:
        """Ends the threads, without waiting for checks under way."""
        self._stopped.set()
        for endpoint in self._endpoints:
            endpoint.changed.set()

    def _run(self, endpoint: Endpoint) -> None:
        while not self._stopped.is_set():
            try:
                self.look(endpoint)
            except ValueError:
                # What gRPC raises for a call on a channel that was closed since.
                if self._stopped.is_set():
                    return
                raise
            endpoint.was_probed.set()
            pause_s = self._interval_s * random.uniform(1 - _SPREAD, 1 + _SPREAD)
            if not endpoint.is_usable:
                pause_s = min(pause_s, max(0.05, endpoint.tried_again_s - time.monotonic()))
            endpoint.changed.wait(pause_s)
            endpoint.changed.clear()

    def look(self, endpoint: Endpoint) -> None:
        """One check of one endpoint."""
        was_usable = endpoint.is_usable
        if not was_usable and time.monotonic() < endpoint.tried_again_s:
            return
        try:
            self._check(endpoint)
            if not was_usable:
                self._try_out(endpoint)
        except Failure as failure:
            if self._stopped.is_set():
                return
            self._figures.failed(failure.reason, str(failure))
            endpoint.is_usable = False
            endpoint.tried_again_s = time.monotonic() + self._interval_s
        else:
            # Only what was out of use is taken in: a call may have failed during the check of one in use.
            if not was_usable:
                endpoint.is_usable = True
