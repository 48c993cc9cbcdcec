"""Several servers and a client in one process and in virtual time, for tests of streams that move.

The client library, the streams, the engine, the reaction policy and the rules are real. Pools answer by themselves, and
the network is a pair of queues that a test can break.
"""
