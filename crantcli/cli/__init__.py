"""The command line: the only part that knows Typer, Rich, stdout and stderr."""
