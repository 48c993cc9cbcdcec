"""How good a detector is, on pictures of people whom training never saw.

`truth` reads what is right, `predictions` gets what a detector (or a file) says, `matching` compares the
two for one label, `figures` makes the report, `charts` and `sheet` draw it.
"""
