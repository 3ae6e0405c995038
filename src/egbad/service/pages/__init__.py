"""Pages for people: the queue of flagged items, one item, a summary, and a form to try a model."""
