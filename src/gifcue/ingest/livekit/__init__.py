"""The cameras of a LiveKit room as participants, without decoding their video. Needs the extra `webrtc`.

access      the tokens: signed here from an API key, or given
signal      the connection for signalling: protobufs over a WebSocket
requests    what is asked of LiveKit
room        what LiveKit tells of participants and their cameras
consent     the rule that says which participant is subscribed to, and for which labels
camera      one participant's camera: the track, the access units, the participant of gifcue
cameras     who of a room is subscribed to
session     one session in the room: signalling and media
publishing  reactions as data messages to the room
ingest      follows the room, and connects again
"""
