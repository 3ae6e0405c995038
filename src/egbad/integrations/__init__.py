"""Bridges to services and tools of others. Each needs an extra or a package of its own, imported when it is used."""
