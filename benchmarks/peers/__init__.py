"""Alternatives to gifcue, measured under the same load: `python -m benchmarks.peers --help`.

`jpeg-http` works as the original service did, `mediapipe` runs MediaPipe graphs per participant, `triton` is a general
inference server. Each runs in its own environment. `environments`, `backends`, `trial` and the command line run in
gifcue's environment, the other modules in the peers'. The peers do not use gifcue, except for the detector that Triton
serves.
"""
