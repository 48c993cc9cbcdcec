"""The client library: what the CLI, the tests and the benchmarks use, and an MCU in Python could."""
