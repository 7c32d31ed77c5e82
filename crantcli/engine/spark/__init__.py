"""Spark behind the protocol of `core/engine.py`: how it is started, what statements mean there, what it keeps."""
