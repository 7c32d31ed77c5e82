"""What the tool is for: rules as query text and labelled matrices. No files, no network, no printing."""
