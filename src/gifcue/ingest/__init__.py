"""Sources of encoded video for a client: files, URLs and cameras.

    source    opens a source and yields its encoded packets (EncodedPacket)
    reader    reads a source from an asyncio program
    pacing    decides when each packet is sent

These modules need PyAV and are imported by name.
"""
