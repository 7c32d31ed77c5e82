"""The Python face: the questions of the commands, asked from Python and answered with pandas objects."""
