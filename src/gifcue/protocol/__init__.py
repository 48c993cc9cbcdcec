"""The vocabulary of the wire: the messages between a server and its clients, as frozen dataclasses and enums.

Server, engine, client and command line share these types. The names come from `protos/gifcue/v1`.

    requests      what a media server sends: configuration, joins, frames
    events        what a stream answers: reactions, faults, requests
    statistics    the state of a stream and of a server
    annotation    what was found in a still
    accounting, codecs, geometry, models, phases, reasons, subjects
                  what these are made of
    wire          the conversions from and to protobuf

In this package, only `gifcue.protocol.wire` imports protobuf, and no module imports gRPC.
"""
