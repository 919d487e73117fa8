"""Searches over designs: nodes are whole reasoning systems as data, values their means over validation examples."""
