"""Pages that show a matrix: what they hold, packed, and the script that draws it."""
