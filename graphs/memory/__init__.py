"""Memory in the run: what it recalls, how it went, what is learnt from it, and what becomes of that."""
