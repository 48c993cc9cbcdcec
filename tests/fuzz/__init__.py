"""Mutated input of every kind for a real server: wire messages, codecs, stills, HTTP requests.

    python -m tests.fuzz --seconds 60 [--seed N] [--only AREA ...] [--checkout DIR] [--python FILE]
    python -m tests.fuzz --only codecs --seed N --batch K

Everything is made from a seed, an area and the number of a batch, so that any batch can be repeated by itself. A run
fails where a process of the server dies, an answer does not come, a frame is not accounted for, or the server says that
it has a defect (gRPC status INTERNAL or UNKNOWN, HTTP 500). The exit status is 1 then.
"""
