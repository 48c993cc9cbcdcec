"""Who may do what: keys, tokens, rooms and labels, quotas, and the peers of a server. Knows no transport.

`AccessControl` (control.py) is what a transport uses; docs/access.md explains tokens and keys to operators.
"""
