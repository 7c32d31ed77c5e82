"""Synapses per pair of neurons, straight from Parquet files: pairs packed into 64 bits, sorted, counted run by run."""
