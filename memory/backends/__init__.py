"""Where memories are kept: the table that is the truth, and the indexes that are copies of its vectors."""
