"""How alike neurons are in their partners: connectivity vectors, their cosines, trees of them, and best matches."""
