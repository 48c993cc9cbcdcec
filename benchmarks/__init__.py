"""What gifcue's speed is measured with. Run from the repository: `python -m benchmarks.load --help`."""
