"""Draws the default GIF pack, `make gifs`. Needs Pillow, which the extra `dev` brings; serving needs none."""
