"""How well reactions are told on clips: found where they are meant, silent otherwise.

`truth` reads what a folder's clips hold, `run` is what a server (or a policy alone) made of a clip, `judge`
compares the two, `figures` makes the report, `timeline` and `text` show it. Nothing here streams: the command
line does, with the client library.
"""
