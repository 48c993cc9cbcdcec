"""Hostile payloads, made by hand: cheap to send and expensive to take."""
