"""Video for tests, benchmarks and `gifcue demo`: a photograph in motion, and clips of every codec."""
