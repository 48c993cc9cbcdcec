"""Measures reactions on labelled clips.

`truth` reads the expected reactions of a folder of clips. `streaming` streams the clips to a server, `local` runs a
server's parts without one; the result is a `run` for each clip. `kept` keeps runs in files, `recording` the detections.
`matching` compares runs and truth, `metrics` computes the report, with `kinds` and `bounds`; `outcome`, `timeline` and
`text` show it. `evaluate` does all of this.
"""
