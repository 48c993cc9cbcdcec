"""Video of WebRTC peers as encoded access units, without decoding it. Needs the extra `webrtc`.

    offer       what a peer offers (SDP), read strictly and within limits
    section     one section of an offer
    answer      what this end answers
    ice         the path to a peer, which this end looks for (aiortc)
    lite        the path to peers that look for this end, all on one port (ICE-lite)
    stun        the checks that they send
    dtls        the encryption (aiortc), and the seam at which decrypted packets leave it
    router      which track a packet belongs to
    track       one track: packets in, access units out; asks for missing packets and for keyframes
    connection  all of these for one peer

`gifcue.ingest.rtp` does what has nothing to do with WebRTC: order, losses, payload formats, rotation.
"""
