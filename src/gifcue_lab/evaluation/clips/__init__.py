"""Measures reactions on labelled clips.

`truth` reads the expected reactions of a folder of clips. `streaming` streams the clips to a server; the result is a
`run` for each clip. `matching` compares the two, `metrics` computes the report, `timeline` and `text` show it.
`evaluate` does all of this.
"""
