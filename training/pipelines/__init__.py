"""Pipelines over the same parts as a search: data generation, training, and the loop of both."""
