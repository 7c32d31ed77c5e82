"""Live data sets: all about servers, versions, tokens, retries and IDs over time ends here, in whole, checked files."""
