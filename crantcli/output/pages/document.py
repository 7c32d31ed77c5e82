"""Makes a page: what it holds, its script and its style in one file that asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from crantcli.core.matrix.labelled import LabelledMatrix
from crantcli.core.matrix.pooling import reduce
from crantcli.core.neuroglancer import PairLinks, state_text
from crantcli.core.question import Page
from crantcli.errors import UsageError
from crantcli.output.pages.packing import PackedMatrix, fit_matrix, number_bytes, packed, size_of, varints
from crantcli.output.provenance import as_text
from crantcli.text import P

if TYPE_CHECKING:
    import numpy as np

    from crantcli.core.compare.written import ComparisonForm
    from crantcli.core.matrix.blocks import Axis, BlockMatrix

    Array = np.ndarray[Any, Any]

#: Parts of the script, in their order.
_SCRIPTS = ("decode.js", "matrix.js", "canvas.js", "page.js")

#: Cells of an overview, a side, at most: about as many as a screen has pixels for it.
_OVERVIEW = 1024

#: And at least, where that takes more than this part of the room.
_COARSEST, _OF_OVERVIEW = 64, 0.25

#: Matrices of more entries than this have an overview, which is there before they are unpacked.
_LARGE = 300_000

#: Bytes that are enough for what is said of the layers, and for the marks around a stream.
_DESCRIPTIONS, _MARKS = 1000, 100

#: Part of the room for entries that sums per pair of types may take.
_OF_TYPES = 0.4


class _Overview(NamedTuple):
    """A small picture of a matrix: its rows and columns, and its cells as text."""

    shape: list[int]
    text: str


#: What fits of a matrix, and its overview where it has one.
_Fitted = tuple[PackedMatrix, _Overview | None]


@dataclass(frozen=True)
class MadePage:
    """A page.

    Attributes
    ----------
    content : bytes
    notes : list of str
        What the user should be told.
    """

    content: bytes
    notes: list[str]


def make_page(page: Page, record: Mapping[str, Any]) -> MadePage:
    """Make a page.

    Parameters
    ----------
    page : Page
    record : mapping
        Provenance.

    Returns
    -------
    MadePage
        The same bytes for the same page and provenance.

    Raises
    ------
    UsageError
        Where not even its names fit into the size that it may have.
    """
    parts = [
        _PackedPage(one, f"{place}." if page.parts else "") for place, one in enumerate(page.parts.values() or [page])
    ]
    fixed = {name: text for part in parts for name, text in part.fixed.items()}
    room = page.most_bytes - len(_document(page, record, fixed, parts)) - _DESCRIPTIONS * len(parts)
    for part in parts:
        part.fit(room)
    sizes = [_size(part.streams) for part in parts]
    if sum(sizes) > room and len(parts) > 1:
        # Small ones stay whole, as long as they take no more than their share of what is left.
        left = max(0, room)
        for number, place in enumerate(sorted(range(len(parts)), key=sizes.__getitem__)):
            share = left // (len(parts) - number)
            if sizes[place] > share:
                parts[place].fit(share)
                sizes[place] = _size(parts[place].streams)
            left -= sizes[place]
    if sum(sizes) > room:
        least = page.most_bytes - room + sum(sizes)
        raise UsageError(
            f"{P.max_size} {page.most_bytes:,}: without a single pair, the page has {least:,} bytes; "
            "give more, or a table of fewer neurons"
        )
    notes = [f"{name}: {note}" if name else note
             for name, part in zip(page.parts or [""], parts, strict=True) for note in part.notes]  # fmt: skip
    streams = fixed | {name: text for part in parts for name, text in part.streams.items()}
    return MadePage(_document(page, record, streams, parts), notes)


class _PackedPage:
    """A page, or one of several among which a page switches, as it is packed.

    Parameters
    ----------
    page : Page
    prefix : str
        Of the names of its streams.
    """

    def __init__(self, page: Page, prefix: str) -> None:
        self.page, self.prefix = page, prefix
        blocks = page.blocks
        streams = {"names": packed(_json(_names(page)).encode("ascii")), **_orders(page), **_totals(blocks)}
        self.fixed = self._named(streams)
        self._layers = {"neurons": blocks.matrix} | ({"types": blocks.type_sum} if _has_types(blocks) else {})
        self._fitted: dict[str, _Fitted] = {}

    def fit(self, room: int) -> None:
        """Pack what fits into so many bytes."""
        fitted: dict[str, _Fitted] = {}
        # Types take what they need of their part, neurons what is left, and types what these leave.
        for name, share in (("types", _OF_TYPES), ("neurons", 1), ("types", 1)):
            if name in self._layers and (name not in fitted or fitted[name][0].left_out):
                room += _size(_streams(name, fitted))
                beside = self.page.beside if name == "neurons" else {}
                fitted[name] = _fitted(self._layers[name], int(room * share), beside)
                room -= _size(_streams(name, fitted))
        self._fitted = fitted

    @property
    def streams(self) -> dict[str, str]:
        """Its matrices."""
        return self._named(
            {name: text for layer in self._fitted for name, text in _streams(layer, self._fitted).items()}
        )

    def _named(self, streams: Mapping[str, str]) -> dict[str, str]:
        return {f"{self.prefix}{name}": text for name, text in streams.items()}

    @property
    def described(self) -> dict[str, dict[str, Any]]:
        """What the script has to know of its layers; nothing yet where it is not packed."""
        found = {
            name: _described(matrix, *self._fitted[name])
            for name, matrix in self._layers.items()
            if name in self._fitted
        }
        for told in found.values():
            told["signed"] = told["signed"] or self.page.compared is not None
        if "neurons" in found:
            beside = self.page.beside.items()
            found["neurons"]["beside"] = {name: values.dtype.kind in "iu" for name, values in beside}
        return found

    @property
    def notes(self) -> list[str]:
        """What was left out."""
        return _notes(self.described, self.page)

    @property
    def about(self) -> dict[str, Any]:
        """What the script has to know of it."""
        page = self.page
        return {
            "quantity": page.blocks.quantity,
            "square": page.square,
            "sorted": _has_types(page.blocks),
            "given": "type" if _has_types(page.blocks) else "file" if "file" in page.orders else "id",
            "ledger": page.ledger,
            "layers": self.described,
            "compared": _compared(page.compared),
            "viewer": _viewer(page.viewer),
        }


def _streams(name: str, fitted: Mapping[str, _Fitted]) -> dict[str, str]:
    """Streams of a layer, none where there is none yet."""
    if name not in fitted:
        return {}
    found, overview = fitted[name]
    parts = {f"{name}.{part}": text for part, text in found.streams.items()}
    return parts | ({f"{name}.overview": overview.text} if overview else {})


def _fitted(matrix: LabelledMatrix, room: int, beside: Mapping[str, Array]) -> _Fitted:
    """What fits of a matrix, and its overview where it is large or some of it does not fit."""
    room -= (5 + len(beside)) * _MARKS
    overview = _overview(matrix, room) if len(matrix.weights) > _LARGE else None
    found = fit_matrix(matrix, room - (size_of(overview.text) if overview else 0), beside)
    if found.left_out and not overview:
        overview = _overview(matrix, room)
        found = fit_matrix(matrix, room - size_of(overview.text), beside)
    return found, overview


def _has_types(blocks: BlockMatrix) -> bool:
    return bool(blocks.source.types) and bool(blocks.target.types)


def _names(page: Page) -> dict[str, Any]:
    """IDs as text, types, and where these start."""
    axes = {"source": page.blocks.source} | ({} if page.square else {"target": page.blocks.target})
    return {side: _axis_names(axis) for side, axis in axes.items()}


def _axis_names(axis: Axis) -> dict[str, Any]:
    return {
        "ids": [str(neuron) for neuron in axis.neurons.tolist()],
        "types": list(axis.types),
        "bounds": axis.bounds.tolist(),
    }


def _orders(page: Page) -> dict[str, str]:
    """Orders other than the one in which the page has its neurons."""
    import numpy as np

    made = {}
    for name, sides in page.orders.items():
        if all(np.array_equal(order, np.arange(len(order))) for order in sides):
            continue
        for side, order in zip(("source", "target"), sides, strict=True):
            if side == "source" or not page.square:
                made[f"order.{name}.{side}"] = packed(varints(order))
    return made


def _totals(blocks: BlockMatrix) -> dict[str, str]:
    """Output of each row, input of each column, as far as it is shown; magnitudes, as for all fractions."""
    import numpy as np

    sizes = replace(blocks.matrix, weights=np.abs(blocks.matrix.weights))
    return {
        "totals.source": packed(number_bytes(sizes.row_totals())),
        "totals.target": packed(number_bytes(sizes.column_totals())),
    }


def _compared(form: ComparisonForm | None) -> dict[str, Any] | None:
    """What the script has to know of a comparison."""
    if form is None:
        return None
    measures = [{"name": one.name, "b": one.b, "a": one.a} for one in form.measures]
    return {"groups": form.groups, "a": form.a, "b": form.b, "measures": measures}


def _viewer(links: PairLinks | None) -> dict[str, Any] | None:
    """What the script has to know to show two neurons in a viewer: states as text, with what stands for IDs."""
    if links is None:
        return None
    pair, alone = (state_text(links.template(alone)) for alone in (False, True))
    return {"url": links.address, "pair": pair, "alone": alone, "ids": list(links.placeholders)}


def _overview(matrix: LabelledMatrix, room: int) -> _Overview:
    """The strongest entry of each cell of a small picture of a matrix; 0 where there is none.

    It has no more cells than twice the entries, most of which would be empty, and takes a part of the room only.
    """
    import numpy as np

    most = max(_COARSEST, min(_OVERVIEW, math.isqrt(2 * len(matrix.weights))))
    while True:
        shape = [min(most, side) for side in matrix.shape]
        cells = reduce(matrix, *shape).ravel()
        cells[np.isnan(cells)] = 0
        text = packed(number_bytes(cells.astype(np.int64) if matrix.weights.dtype.kind in "iu" else cells))
        if most == _COARSEST or size_of(text) <= _OF_OVERVIEW * room:
            return _Overview(shape, text)
        most = max(_COARSEST, most // 2)


def _described(matrix: LabelledMatrix, found: PackedMatrix, overview: _Overview | None) -> dict[str, Any]:
    import numpy as np

    strengths = np.abs(matrix.weights)
    there = strengths[strengths > 0]
    return {
        "shape": list(matrix.shape),
        "entries": len(matrix.weights),
        "left_out": found.left_out,
        "up_to": found.up_to,
        "whole": matrix.weights.dtype.kind in "iu",
        "signed": bool((matrix.weights < 0).any()),
        "least": there.min().item() if len(there) else None,
        "most": there.max().item() if len(there) else None,
        "overview": overview.shape if overview else None,
    }


def _notes(described: Mapping[str, Mapping[str, Any]], page: Page) -> list[str]:
    """What was left out."""
    groups = page.compared is not None and page.compared.groups
    pairs = {"neurons": f"pairs of {'groups' if groups else 'neurons'}", "types": "pairs of types"}
    quantity = page.blocks.quantity
    unit = quantity if quantity == "synapses" else f"a {quantity}"
    return [
        f"{told['left_out']:,} of {told['entries']:,} {pairs[name]}, all with {unit} of at most {told['up_to']:,}, do "
        "not fit into the page, which shows them from afar only"
        for name, told in described.items()
        if told["left_out"]
    ]


def _size(streams: Mapping[str, str]) -> int:
    """Room that streams take with the marks around them."""
    return sum(size_of(_block(name, text)) for name, text in streams.items())


def _json(content: Any) -> str:
    """JSON in ASCII that no mark of HTML stands in."""
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _block(name: str, text: str) -> str:
    return f'<script type="text/plain" data-stream="{name}">{text}</script>\n'


def _document(page: Page, record: Mapping[str, Any], streams: Mapping[str, str], parts: Sequence[_PackedPage]) -> bytes:
    """The file."""
    folder = files("crantcli.output.pages")
    style = folder.joinpath("view.css").read_text(encoding="utf-8")
    script = "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in _SCRIPTS)
    body = folder.joinpath("view.html").read_text(encoding="utf-8")
    about: dict[str, Any] = {"title": page.title, "record": as_text(dict(record))}
    if page.parts:
        about["parts"] = [{"name": name, **part.about} for name, part in zip(page.parts, parts, strict=True)]
    else:
        about |= parts[0].about
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    )
    pieces = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f"<title>{escape(page.title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}",
        f'<script type="application/json" id="about">{_json(about)}</script>\n',
        *(_block(name, text) for name, text in streams.items()),
        f"<script>{script}</script>\n</body>\n</html>\n",
    ]
    return "".join(pieces).encode("utf-8", "backslashreplace")


def _hash(text: str) -> str:
    """How a policy names what may run: by its hash."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
