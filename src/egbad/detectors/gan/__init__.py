"""Adversarial training that several methods share: losses, models, recipes and parameters. None of it is a method."""
