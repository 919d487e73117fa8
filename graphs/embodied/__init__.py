"""Environments that a run acts in: found by name, run in a process of their own, and asked at the end how it went."""
