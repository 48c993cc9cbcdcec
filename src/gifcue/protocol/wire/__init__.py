"""The conversions between protobuf messages and the dataclasses of `gifcue.protocol`.

In this package, only these modules import `gifcue.v1`. Each message's `encode_` and `decode_` stand side by side, and
`encode_x(decode_x(message)) == message` holds for every valid message of the wire. They convert and decide nothing.
Numbers of enums that this version does not know come from a newer peer; each `decode_` documents what it returns then.
"""
