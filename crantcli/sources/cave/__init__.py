"""Live data sets: all about servers, versions and IDs over time ends here, in whole, checked files."""
