"""Agents that carry out the calls of one operator with a model: one module an operator."""
