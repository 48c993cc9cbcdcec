"""Supervised child processes and the memory they share; knows nothing of video.

    arena.py       slots of pixels in shared memory, made once by the front
    framing.py     messages as bytes
    channel.py     messages over a socket pair, one end asyncio, the other blocking
    process.py     a process whose end can be awaited
    patience.py    when a child is stuck, when it has failed too often
    supervised.py  start ▸ ready ▸ ping ▸ restart ▸ stop of one child
    child.py       what runs first in a child
    settings.py    how patient the supervision is

This package imports nothing here: a child pays for every import before it can be ready.
"""
