"""Pages: one file each, which asks for nothing else: matrices with the script that draws them, and reports."""
