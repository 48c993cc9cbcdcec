"""Supervised worker processes and the memory they share. Knows nothing of video."""
