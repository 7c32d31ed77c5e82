"""Runs query text."""
