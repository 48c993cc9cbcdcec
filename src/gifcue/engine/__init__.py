"""Streams, participants and their frames, from admission to reactions. No gRPC.

engine.py         the open streams of a server, and its figures
session.py        one stream: joins, updates, leaves
participant.py    one participant: its frames and reactions
decisions.py      the message about each frame that was analysed
teaching.py       who watches the hands of a stream, and a gesture on trial
dismissals.py     which reactions of a participant can be dismissed
quarantine.py     which participants are refused because their video killed workers
standing.py       whether one participant is refused at the moment
admission.py      which frames go to the decoder (gate.py: keyframes and rate)
pipeline.py       the way of a frame through both pools of workers (pace.py: how often, latency.py: how fast)
listeners.py      who follows the frames of which participant through it
stills.py         the way of a still through both pools
publisher.py      publishes reactions: chooses a GIF, counts, sends to the stream, delivers
accounting.py     the outcome of every frame
faults.py         reports of faults to a stream (throttle.py: how often)
events.py         the events of a stream, and the sink that takes them
settings.py       the limits
"""
