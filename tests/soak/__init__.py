"""Streams that come and go, and what a server holds before and after.

    python -m tests.soak --minutes 20 --streams 2000 [--seed N] [--checkout DIR] [--python FILE]

A server is measured twice while no stream is open: after a fifth of the streams, and after all of them. Descriptors,
threads and segments of shared memory must be equal, its memory within three percent, and every frame accounted for. The
exit status is 1 where one of them is not; what has grown is then listed by process.
"""
