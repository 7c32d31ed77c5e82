"""Answers of the parts of a partitioned table, put together into that of the whole."""
