"""Bring your own gesture: a new label for hands, from a few dozen samples, without touching the networks.

`samples` keeps what `capture` saw: landmarks, never pictures. `negatives` are landmarks of strangers' hands
that ship with gifcue, so that a user need only show the gesture. `fit` makes a light head of them,
`figures` says what it is worth.
"""
