"""The vocabulary of the wire: what a server and its clients say to each other, as plain dataclasses and enums.

Server, client, engine and command line share these types, so that each thing has one name. No module here imports
protobuf or gRPC except the conversions; `protos/gifcue/v1` is the source of every name.
"""
