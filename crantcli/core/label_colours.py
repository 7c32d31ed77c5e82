"""A colour for each label, for viewers and pictures of neurons."""

from __future__ import annotations

from collections.abc import Iterable

#: Colours that the colour-blind tell apart, on white and on black (Okabe & Ito 2008, without black).
_DISTINCT = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")

#: Of what has no label.
UNLABELLED = "#9A9A9A"


def label_colours(labels: Iterable[str]) -> dict[str, str]:
    """A colour for each label, as `#RRGGBB`: the same for the same labels, however they come.

    Beyond seven, hues follow each other by the golden angle, at three lightnesses, so that neighbours differ.
    """
    import colorsys

    found = {}
    for number, label in enumerate(sorted(set(labels))):
        if number < len(_DISTINCT):
            found[label] = _DISTINCT[number]
            continue
        rgb = colorsys.hls_to_rgb((number * 0.6180339887498949) % 1, (0.5, 0.65, 0.4)[number % 3], 0.75)
        found[label] = "#" + "".join(f"{round(255 * part):02X}" for part in rgb)
    return found
