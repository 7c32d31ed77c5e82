"""Connectivity from connectome synapse tables."""
