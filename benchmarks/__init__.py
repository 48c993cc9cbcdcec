"""Benchmarks of gifcue. Run them from the repository: `python -m benchmarks.load --help`."""
