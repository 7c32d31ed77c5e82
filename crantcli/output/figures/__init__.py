"""Pictures: what is drawn, how it is laid out, and how it is saved."""
