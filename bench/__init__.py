"""Benchmarks, one module per family; run `python -m bench FAMILY` from the repository root."""
