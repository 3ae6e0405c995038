"""Protocols: which rows are learned from, and which are scored."""
