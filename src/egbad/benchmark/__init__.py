"""Benchmarks: protocols, suites, runs, published figures and result pages."""
