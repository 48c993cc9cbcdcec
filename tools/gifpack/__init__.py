"""Draws the default GIF pack: `make gifs`. Needs Pillow from the extra `dev`; serving does not need it."""
