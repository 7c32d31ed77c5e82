"""What a nested matrix is made of."""
