"""The provenance in pictures, PNG, SVG and PDF, as matplotlib writes them, and in pages."""

from __future__ import annotations

import html
import json
import re
import zlib
from pathlib import Path
from typing import NoReturn

from crantcli.errors import DataError, UsageError, damaged
from crantcli.schema import KEY

#: Most bytes that a packed text of a PNG may unpack to; a record of a hundred thousand neurons takes some megabytes.
_LONGEST_TEXT = 64 * 2**20

_DC = "{http://purl.org/dc/elements/1.1/}"


def picture_metadata(path: Path) -> dict[str, str]:
    """Texts in a picture by their keys; that of our provenance is there only where we wrote it.

    Raises
    ------
    UsageError
        Where there is no such file, or it may not be read.
    DataError
        Where it is cut, or its texts are damaged.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file or folder") from None
    except PermissionError:
        raise UsageError(f"{path}: no permission to read this file") from None
    read = {".png": _png_texts, ".svg": _svg_texts, ".pdf": _pdf_texts, ".html": _page_texts}[path.suffix.lower()]
    found = read(data, path.name)
    if KEY in found:
        try:
            sound = isinstance(json.loads(found[KEY]), dict)
        except (ValueError, RecursionError):
            sound = False
        if not sound:
            _damaged(path.name, "its provenance is no JSON")
    return found


def _page_texts(data: bytes, name: str) -> dict[str, str]:
    """The record in a page that `view` or `report` made."""
    start, end = b'<script type="application/json" id="about">', b"</script>"
    _, found, rest = data.partition(start)
    report = re.search(rb'<meta name="crantcli" content="([^"]*)">', data)
    if not found and report and data.rstrip().endswith(b"</html>"):
        return {KEY: html.unescape(report[1].decode("utf-8", "replace"))}
    if not found:
        raise DataError(f"{name}: is an HTML page that crantcli did not make")
    content, found, _ = rest.partition(end)
    try:
        record = json.loads(content)["record"]
    except (ValueError, RecursionError, TypeError, KeyError):
        record = None
    if not found or not isinstance(record, str) or not data.rstrip().endswith(b"</html>"):
        _damaged(name, "its end or its record is missing")
    return {KEY: record}


def _damaged(name: str, what: str) -> NoReturn:
    raise damaged(name, what)


def _png_texts(data: bytes, name: str) -> dict[str, str]:
    """The text chunks of a PNG (PNG specification, sections 5.3, 11.3.3.2 and 11.3.3.4)."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        _damaged(name, "it does not begin as a PNG does")
    found, position, kind = dict[str, str](), 8, b""
    while kind != b"IEND":
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        end = position + 8 + length
        if end + 4 > len(data):
            _damaged(name, "its end is missing")
        if zlib.crc32(data[position + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            _damaged(name, "a checksum is wrong")
        if kind in (b"tEXt", b"iTXt"):
            key, _, text = data[position + 8 : end].partition(b"\0")
            said = text.decode("latin-1") if kind == b"tEXt" else _international(text, name)
            found[key.decode("latin-1")] = said
        position = end + 4
    return found


def _international(text: bytes, name: str) -> str:
    """What an iTXt chunk says: after its key come flag and method of compression, language and translated key."""
    parts = text[2:].split(b"\0", 2)
    if len(parts) < 3:
        _damaged(name, "a text ends early")
    said = parts[2]
    try:
        if text[0]:
            unpacker = zlib.decompressobj()
            said = unpacker.decompress(said, _LONGEST_TEXT)
            if not unpacker.eof:
                _damaged(name, "a packed text does not end")
        return said.decode("utf-8")
    except (zlib.error, UnicodeDecodeError):
        _damaged(name, "a text is garbled")


def _svg_texts(data: bytes, name: str) -> dict[str, str]:
    """The description of an SVG of ours, which names us as what created it."""
    import io
    from xml.etree import ElementTree

    description, creator, root = "", "", None
    try:
        for event, element in ElementTree.iterparse(io.BytesIO(data), ("start", "end")):
            root = element if root is None else root
            if event == "start":
                continue
            if element.tag == f"{_DC}description":
                description = description or (element.text or "")
            elif element.tag == f"{_DC}creator":
                creator = creator or "".join(element.itertext()).strip()
            elif element.tag.startswith("{http://www.w3.org/2000/svg}"):
                element.clear()  # the drawing, of which nothing is needed
    except ElementTree.ParseError as error:
        _damaged(name, f"as XML: {error}")
    except (ValueError, LookupError):
        _damaged(name, "as XML: its encoding is not known")
    if root is None or root.tag.rpartition("}")[2] != "svg":
        _damaged(name, "it is XML, and no drawing")
    return {KEY: description.strip()} if creator == KEY else {}


#: What stands in a PDF beside a key, in brackets in which brackets and backslashes have a backslash before them.
_LITERAL = rb"\s*\(((?:[^\\()]|\\.)*)\)"

_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def _pdf_texts(data: bytes, name: str) -> dict[str, str]:
    """The keywords of a PDF of ours, which names us as what created it."""
    if b"%PDF-" not in data[:1024]:
        _damaged(name, "it does not begin as a PDF does")
    if b"%%EOF" not in data[-1024:]:
        _damaged(name, "its end is missing")
    if not (re.search(rb"/Creator\s*\(crantcli\)", data) and re.search(rb"/Keywords\s*\(", data)):
        return {}  # or of another program that has written it anew
    found = re.search(rb"/Keywords" + _LITERAL + rb"\s*(?:/|>>)", data, re.DOTALL)
    if found is None:
        _damaged(name, "its provenance does not end")
    raw = re.sub(rb"\\(.)", lambda match: _ESCAPED.get(match[1], match[1]), found[1], flags=re.DOTALL)
    try:
        # PDF specification, section 7.9.2.2: UTF-16 with a mark of the byte order, else an encoding near Latin-1.
        return {KEY: raw[2:].decode("utf-16-be") if raw[:2] == b"\xfe\xff" else raw.decode("latin-1")}
    except UnicodeDecodeError:
        _damaged(name, "its provenance is garbled")
