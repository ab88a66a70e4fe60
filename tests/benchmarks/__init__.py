"""Benchmarks: each prints a table and leaves its rows in bench.json. Run by `make bench`."""
