"""The way of a frame: participants, their books, decoding, detection, policy, rules. No gRPC."""
