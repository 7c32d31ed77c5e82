"""The process: signals, descriptors, temporary files."""
