"""Other ways to the same answers, measured beside gifcue: `python -m benchmarks.peers --help`.

`jpeg-http` is the way of the original service, `mediapipe` a graph per participant, `triton` a general inference
server. Each runs in an environment of its own, without gifcue: `environments`, `backends`, `trial` and the command line
run in gifcue's, the other modules in the peers'. The one exception is the detector that Triton serves, which is ours.
"""
