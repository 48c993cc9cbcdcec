"""The public test kit: a gifcue server in process, for tests of programs that talk to gifcue.

    async with FakeServer() as server, ReactionClient(server.target) as client:
        async with client.open() as stream:
            alice = await stream.join("alice", Codec.H264, allowed_labels=["smile"])
            await alice.send(b"any bytes", pts=0, keyframe=True)  # answered with STARTED of "smile"
            fake = await server.service.stream(0)
            fake.say(SlowDown("alice", max_fps=10, reason="overload"))

`FakeServer` speaks real gRPC on a free port and needs neither a model nor video. For each participant with allowed
labels, it answers the first frame with STARTED of the first of them (after HOLDING, where the stream asks for it), and
the end of its video with ENDED. Every frame counts as analysed. A test scripts everything else:

    server.service           what it answers to calls: refuse streams, stay silent, health, and every stream so far
    server.service.operator  what operators have asked of it: drains, the level of the log
    server.kill(), start()   breaks all connections, and listens on the same port again
    FakeStream               one stream: the requests that it received, `say` an event, `end` the call with a status
"""

from gifcue.testing.fake_operator import FakeOperator
from gifcue.testing.fake_server import FakeServer, FakeService
from gifcue.testing.fake_stream import FakeStream

__all__ = ["FakeOperator", "FakeServer", "FakeService", "FakeStream"]
