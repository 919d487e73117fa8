"""What people run: the command line, the demonstration and the servers."""
