"""What runs leave behind for later runs: records, recall, reflection and credit."""
