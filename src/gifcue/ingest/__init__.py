"""Sources of encoded video for a client: files, URLs and cameras.

    opening   opens what a source names: a file, standard input, a URL, a camera
    source    an open source; yields its encoded packets (EncodedPacket)
    reader    reads a source from an asyncio program
    pacing    decides when each packet is sent

These modules need PyAV and are imported by name.
"""
