"""Supervised child processes and the memory they share; knows nothing of video.

    arena.py           slots of pixels in shared memory, made once by the front
    messages.py        the types of messages, and what is checked of them
    framing.py         messages as bytes
    channel.py         messages over a socket pair, one end asyncio, the other blocking
    environment.py     the environment variables that a child gets
    confinement/       what is taken from a child before it sees the bytes of strangers
    process.py         a process whose end can be awaited
    activity.py        what a process does, as the kernel sees it
    restart_policy.py  when a child is stuck, how long to wait before a restart
    watch.py           follows one child: pings it, says when it is stuck
    loss.py            why a child was lost
    message_order.py   what a child may send at a point
    supervised.py      start ▸ ready ▸ ping ▸ restart ▸ stop of one child
    child.py           what runs first in a child
    settings.py        times and numbers of the supervision

This module imports nothing: every import would delay the start of each child.
"""
