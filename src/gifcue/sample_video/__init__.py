"""Real encoded video made on the spot from a public-domain photograph, for the demo, the benchmarks and tests."""
