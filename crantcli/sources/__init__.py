"""Brings data in: tables, annotations, selections, data set files."""
