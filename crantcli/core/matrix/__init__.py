"""Sparse matrices with labels, alone and in blocks of cell types: nothing of tables."""
