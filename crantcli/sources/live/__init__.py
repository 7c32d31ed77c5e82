"""Brings data in from servers. What it brings ends in whole, checked files."""
