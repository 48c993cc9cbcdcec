"""Hostile participants, broken machines and unlucky operators, against a server of its own process.

    python -m tests.chaos --list
    python -m tests.chaos [--case NAME ...] [--checkout DIR] [--python FILE] [--seed N]

The harness is a black box: it starts `gifcue serve` of any checkout, speaks the public wire protocol, and looks at
processes from outside. So the same cases run on an old commit, where they may fail. Each case prints what it expected
and what came; the exit status is 1 when any check failed.
"""
