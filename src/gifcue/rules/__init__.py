"""Reaction ► GIF. Imports nothing of vision, transport or the rest of gifcue."""
