"""Access control: who calls, what the caller may do, and the streams that end when their token does.

A transport first asks `peer_of`, then `authenticate`; for a stream it also asks `open_stream`. Everything runs in one
event loop. Every refusal is an AccessRefused; the transport hands those of its own to `record`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from gifcue.access.grants import Grant, Scope
from gifcue.access.keys import KeySet
from gifcue.access.peers import Peer
from gifcue.access.quotas import Quotas
from gifcue.access.refusals import AccessRefused, OverQuota, Reason, Unauthenticated
from gifcue.access.settings import AccessSettings
from gifcue.access.tokens import TokenReader
from gifcue.protocol.reasons import FaultCode


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call. `grant` is None on a server without tokens, which grants everything."""

    peer: Peer
    grant: Grant | None

    @property
    def key(self) -> str:
        """What quotas count by."""
        return self.peer.key if self.grant is None else self.grant.identity


class AccessControl:
    """The rules in force. `keys` None: no token is needed.

    Args:
        now_s: Seconds since the epoch, for tokens.
        clock: Seconds of a clock that never jumps, for quotas.
        on_refused: Called for every refusal.
    """

    def __init__(
        self,
        settings: AccessSettings,
        keys: KeySet | None,
        *,
        now_s: Callable[[], float],
        clock: Callable[[], float],
        on_refused: Callable[[AccessRefused, Peer], None] = lambda error, peer: None,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._reader = TokenReader(
            audience=settings.audience, issuer=settings.issuer, leeway_s=settings.leeway_s, now_s=now_s
        )
        self._quotas = Quotas(settings, clock)
        self._on_refused = on_refused
        self._refused: Counter[Reason] = Counter()
        self._streams: set[StreamAccess] = set()

    @property
    def needs_tokens(self) -> bool:
        """Whether callers need a token."""
        return self._keys is not None

    @property
    def refused(self) -> Mapping[str, int]:
        """How many callers were refused, by reason; every reason is there."""
        return {reason.value: self._refused[reason] for reason in Reason}

    def authenticate(self, scope: Scope, token: str | None, peer: Peer) -> Caller:
        """The caller of a call that needs `scope`. A still counts against the caller's quota.

        Raises:
            Unauthenticated: the token is missing or not valid.
            Forbidden: the token does not grant the scope.
            OverQuota: the caller sends too many stills.
        """
        grant = None
        if self._keys is not None:
            if token is None:
                raise Unauthenticated(
                    Reason.NO_TOKEN,
                    f"expected a token with the scope {scope} (authorization: Bearer), got none",
                )
            grant = self._reader.read(token, self._keys)
            grant.require_scope(scope)
        caller = Caller(peer, grant)
        if scope is Scope.ANNOTATE:
            self._quotas.still(caller.key)
        return caller

    def open_stream(self, caller: Caller, *, replaces: bool = False) -> StreamAccess:
        """A stream of the caller begins; `StreamAccess.close` ends it. It may replace another one of the caller.

        Raises:
            OverQuota: the caller has as many streams as it may have.
        """
        self._quotas.open_stream(caller.key, replaces=replaces)
        stream = StreamAccess(self, caller)
        self._streams.add(stream)
        return stream

    def is_valid(self, caller: Caller) -> bool:
        """Whether the caller's token still holds, its time of grace included. For an answer without an end."""
        return self._problem(caller.grant) is None

    def record(self, error: AccessRefused, peer: Peer) -> None:
        """Counts a refusal."""
        self._refused[error.reason] += 1
        self._on_refused(error, peer)

    def use(self, keys: KeySet) -> None:
        """Takes new keys. `sweep` then ends streams that none of them vouches for."""
        self._keys = keys

    def sweep(self) -> None:
        """Ends the streams whose token has expired, after its time of grace, or was withdrawn."""
        for stream in tuple(self._streams):
            error = self._problem(stream.caller.grant)
            if error is not None:
                self.record(error, stream.caller.peer)
                stream.end(error)

    def _problem(self, grant: Grant | None) -> AccessRefused | None:
        if grant is None or self._keys is None:
            return None
        if not self._keys.vouches_for(grant.source):
            return Unauthenticated(
                Reason.WITHDRAWN_TOKEN, "expected a token that is valid, got one whose key was withdrawn"
            )
        try:
            self._reader.check_time(grant, self._settings.expired_grace_s)
        except Unauthenticated as error:
            return error
        return None

    # Called by StreamAccess

    def admit_join(self, caller: Caller, *, is_new: bool) -> tuple[FaultCode, str] | None:
        """As `StreamAccess.admit_join`."""
        try:
            self._quotas.join(caller.key, is_new=is_new)
        except OverQuota as error:
            self.record(error, caller.peer)
            is_rate = error.reason is Reason.JOINS
            return (FaultCode.TOO_MANY_JOINS if is_rate else FaultCode.TOO_MANY_PARTICIPANTS), str(error)
        return None

    def left(self, caller: Caller) -> None:
        """As `StreamAccess.left`."""
        self._quotas.leave(caller.key)

    def closed(self, stream: StreamAccess) -> None:
        """As `StreamAccess.close`."""
        self._streams.discard(stream)
        self._quotas.close_stream(stream.caller.key)


class StreamAccess:
    """What one stream may do, from its beginning to its end."""

    def __init__(self, control: AccessControl, caller: Caller) -> None:
        self._control = control
        self._end: Callable[[AccessRefused], None] | None = None
        self._is_closed = False
        self.caller = caller

    @property
    def labels(self) -> frozenset[str] | None:
        """The labels that participants may allow; None for all that the server has."""
        return None if self.caller.grant is None else self.caller.grant.labels

    def require_room(self, room_id: str) -> None:
        """Raises Forbidden where the stream may not be for this room."""
        if self.caller.grant is not None:
            try:
                self.caller.grant.require_room(room_id)
            except AccessRefused as error:
                self._control.record(error, self.caller.peer)
                raise

    def label_refused(self, labels: Collection[str]) -> None:
        """Counts a join or an update whose labels are not granted."""
        self._control.record(
            AccessRefused(Reason.WRONG_LABEL, f"expected granted labels, got {len(labels)} others"),
            self.caller.peer,
        )

    def admit_join(self, *, is_new: bool) -> tuple[FaultCode, str] | None:
        """None where a join is within the quota, otherwise why not. `is_new`: it adds a participant."""
        return self._control.admit_join(self.caller, is_new=is_new)

    def left(self) -> None:
        """A participant left that `admit_join` had admitted as new."""
        self._control.left(self.caller)

    def when_over(self, end: Callable[[AccessRefused], None]) -> None:
        """`end` is called once the stream must end: its token has expired or was withdrawn."""
        self._end = end

    def end(self, error: AccessRefused) -> None:
        """Ends the stream. Called by the control."""
        if self._end is not None:
            end, self._end = self._end, None
            end(error)

    def close(self) -> None:
        """The stream has ended. Later calls do nothing."""
        # The context of a task that outlives the call may keep this object, and must not keep the stream with it.
        self._end = None
        if not self._is_closed:
            self._is_closed = True
            self._control.closed(self)
