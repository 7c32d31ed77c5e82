"""Rows of tables: which of them count, and what they add up to per pair of neurons."""
