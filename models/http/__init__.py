"""What every HTTP server of this package shares: its socket and its end, the size of bodies, one form of error."""
