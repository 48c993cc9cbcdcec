"""The publishers of a Janus VideoRoom as participants, without decoding their video.

session     a session with Janus over its WebSocket: requests, events, keep-alive
videoroom   the room's messages: joining, publishers, forwards
consent     the rule that says which publisher is forwarded, and for which labels
forward     one publisher's forward: the port, the access units, the participant
ingest      follows the room, and connects again
"""
