"""From scores to decisions: thresholds, p-values, metrics and tables of scores."""
