"""Long sequences made of stills: people at their webcams who sometimes mean a reaction, and mostly do not.

`cast` and `people` say who can show what, `plates` takes hands out of pictures and cuts them out. `plot` deals what
happens when, of what is `meant` and `unmeant`: pure data, the `script`. `stage` draws it, `encode` makes the video,
`events` says what is expected, `run` does all of it.
"""
