"""What a bind costs: `python -m benchmarks`, or `make bench`. Nothing here holds a result."""
