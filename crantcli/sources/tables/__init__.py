"""Tables: found, recognised, read, format by format."""
