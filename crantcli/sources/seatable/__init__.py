"""The annotation table of a SeaTable base, whole, as a Parquet file."""
