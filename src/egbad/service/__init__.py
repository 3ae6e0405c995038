"""Scoring over HTTP, and the store of scored items and reviews."""
