"""Graphs: their nodes with what annotations say of them, and edges as matrices."""
