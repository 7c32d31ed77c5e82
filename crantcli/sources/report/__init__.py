"""Reads what a night has left, file by file."""
