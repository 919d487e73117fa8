"""What the search costs, measured: `make bench`, or `python -m benchmarks --help`. See README.md."""
