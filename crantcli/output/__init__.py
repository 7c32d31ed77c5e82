"""Sends data out: tables, matrices, pictures; each file whole or not at all, with its provenance inside."""
