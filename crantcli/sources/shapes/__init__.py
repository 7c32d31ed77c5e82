"""Meshes and skeletons, format by format."""
