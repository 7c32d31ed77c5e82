"""What goes wrong when damaged archives of arrays are read."""

from __future__ import annotations

import tokenize
import zipfile
import zlib

#: What zipfile and NumPy raise for them. NumPy reads an array's header as a piece of Python before any checksum is
#: looked at: whatever Python says of nonsense may come.
DAMAGED = (
    OSError,
    ValueError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    KeyError,
    TypeError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
