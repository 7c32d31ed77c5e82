"""Pages: one file each, which asks for nothing else."""
