"""The value server: one scorer, one model thread, and the HTTP shapes that clients of reward models already speak."""
