"""Streams, participants and their frames, from admission to reactions. No gRPC.

engine.py         the open streams of a server, and its figures
session.py        one stream: joins, updates, leaves
participant.py    one participant: its frames and reactions
admission.py      which frames go to the decoder (gate.py: keyframes and rate)
pipeline.py       the way of a frame through both pools of workers (pace.py: how often, latency.py: how fast)
publisher.py      what follows from a reaction: GIF, count, stream, delivery
accounting.py     what became of every frame
faults.py         what is told of losses (throttle.py: how often)
events.py         what a stream is told, and where it goes
settings.py       the limits
"""
