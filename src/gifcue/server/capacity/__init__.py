"""How many participants this machine carries: the measurement, its file, and its use by a server.

`measure` starts a server and loads it, `record` keeps the result, `auto` gives a server what it needs to know.
"""
