"""Surfaces, skeletons and points in space, as arrays: nothing of tables, and exact."""
