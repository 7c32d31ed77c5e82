"""Colours of a heatmap: a scale over the weights there are, and a colour bar that says what they mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crantcli.errors import UsageError
from crantcli.text import P, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.colors import Colormap, Normalize

#: A scale that spans more than this factor is logarithmic.
_SPREAD = 10

#: Lightness (CIE L*, white is 100) of the lightest and the darkest colour used: lighter ones would be lost on white, in
#: grey above all, and darker ones look all black.
_LIGHTEST, _DARKEST = 82.0, 6.0

#: Part of a colour map that must be dark enough to be of use.
_LEAST = 0.25

DEFAULT, DIVERGING = "magma_r", "RdBu_r"

#: Light in the middle, and so fit for weights of both signs.
_DIVERGING = {
    "PiYG",
    "PRGn",
    "BrBG",
    "PuOr",
    "RdGy",
    "RdBu",
    "RdYlBu",
    "RdYlGn",
    "Spectral",
    "coolwarm",
    "bwr",
    "seismic",
}


@dataclass(frozen=True)
class Scale:
    """What a weight looks like.

    Attributes
    ----------
    norm, colours
        As matplotlib takes them; no connection is transparent.
    ticks : list of float
        Weights that the colour bar names.
    extend : str
        Which ends of the colour bar have an arrow, since weights lie beyond: "neither", "min", "max" or "both".
    gap : tuple of float
        Part of the scale, in 0..1, that no weight has: between the weakest ones of both signs.
    logarithmic : bool
    facts : dict
        The same for a caption.
    notes : list of str
    """

    norm: Normalize
    colours: Colormap
    ticks: list[float]
    extend: str
    gap: tuple[float, float]
    logarithmic: bool
    facts: dict[str, Any]
    notes: list[str]


def check_colours(name: str) -> None:
    """Refuse an unknown colour map, or one that is too light throughout.

    Raises
    ------
    UsageError
    """
    if name == DEFAULT:
        return
    from matplotlib import colormaps

    if name not in colormaps:
        raise UsageError(
            f"{P.cmap} {name}: no colour map of matplotlib; {did_you_mean(name, sorted(colormaps), 'colour maps')}"
        )
    start, stop = _dark(_samples(name))
    if stop - start < 256 * _LEAST:
        raise UsageError(f"{P.cmap} {name}: too light to be told from white paper; try {DEFAULT}, viridis or cividis_r")


def _samples(name: str) -> np.ndarray[Any, Any]:
    """A colour map as 256 colours."""
    import numpy as np
    from matplotlib import colormaps

    return np.asarray(colormaps[name](np.linspace(0, 1, 256)))


def lightness(colours: np.ndarray[Any, Any]) -> Any:
    """CIE L* (0 black, 100 white) of sRGB colours in 0..1: how light they look, also in grey (IEC 61966-2-1)."""
    import numpy as np

    rgb = np.asarray(colours)[..., :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(luminance > (6 / 29) ** 3, 116 * np.cbrt(luminance) - 16, luminance * (29 / 3) ** 3)


def _dark(samples: np.ndarray[Any, Any]) -> tuple[int, int]:
    """The longest run of colours that are neither too light nor too dark, as start and stop."""
    best, start, light = (0, 0), 0, lightness(samples)
    for place, dark in enumerate([*((light <= _LIGHTEST) & (light >= _DARKEST)), False]):
        if not dark:
            best = max(best, (start, place), key=lambda run: run[1] - run[0])
            start = place + 1
    return best


def _one_way(name: str, negative: bool) -> np.ndarray[Any, Any]:
    """Colours from the lowest to the highest weight, all of the same sign."""
    samples = _samples(name)
    start, stop = _dark(samples)
    kept = _stretched(samples[start:stop], 256)
    return kept[::-1] if negative else kept


def _two_ways(name: str) -> np.ndarray[Any, Any]:
    """Colours from the lowest to the highest weight, around zero, without the light middle."""
    import numpy as np

    samples = _samples(name)
    light = np.flatnonzero(lightness(samples) > _LIGHTEST)
    half = min(int(light.min()), 255 - int(light.max())) if len(light) else 128
    return np.concatenate((_stretched(samples[:half], 128), _stretched(samples[256 - half :], 128)))


def _stretched(colours: np.ndarray[Any, Any], many: int) -> np.ndarray[Any, Any]:
    import numpy as np

    places = np.linspace(0, len(colours) - 1, many)
    return np.stack([np.interp(places, np.arange(len(colours)), channel) for channel in colours.T], axis=1)


def scale(
    weights: np.ndarray[Any, Any], cmap: str, log: bool | None, percentiles: tuple[float, float], quantity: str
) -> Scale:
    """Make the scale of a matrix's weights.

    Parameters
    ----------
    weights : ndarray, shape (entries,)
        Without zeros, and not empty.
    cmap : str
    log : bool or None
        None: logarithmic where magnitudes spread by more than a factor of 10.
    percentiles : tuple of float
        Of the magnitudes, in 0..100: the scale's ends. Weights beyond take the end colours.
    quantity : str

    Returns
    -------
    Scale
        Over one sign from the weakest to the strongest; over both signs around zero and equally far both ways.
    """
    import numpy as np
    from matplotlib.colors import ListedColormap

    lowest, highest = float(weights.min()), float(weights.max())
    both, negative = lowest < 0 < highest, highest < 0
    low, high = _ends(weights, lowest, percentiles)
    cmap, notes = _fit_for_signs(cmap, both)
    colours = _two_ways(cmap) if both else _one_way(cmap, negative)
    if low == high and not both:
        colours = np.repeat(colours[160:161], 256, axis=0)
    logarithmic = low < high and (high / low > _SPREAD if log is None else log)
    bottom, top = (-high, high) if both else (-high, -low) if negative else (low, high)
    norm = _norm(bottom, top, low, logarithmic)
    # Below a percentile there are weights, and the bar has their colour.
    gap = (float(norm(-low)), float(norm(low))) if both and not percentiles[0] else (0.5, 0.5)
    facts = {
        "quantity": quantity,
        "kind": "logarithmic" if logarithmic else "linear",
        "vmin": bottom,
        "vmax": top,
        "vmin_percentile": percentiles[0],
        "vmax_percentile": percentiles[1],
        "percentiles_of": "magnitudes of the nonzero weights drawn" if lowest < 0 else "nonzero weights drawn",
        "outside": "end colours",
        "map": cmap,
        "zero": "white: no connection",
    }
    whole = weights.dtype.kind in "iu" or bool((weights == np.floor(weights)).all())
    beyond = {(True, True): "both", (True, False): "max", (False, True): "min"}
    return Scale(
        norm, ListedColormap(colours, cmap).with_extremes(bad=(1, 1, 1, 0)),
        _ticks(bottom, top, low, logarithmic, whole), beyond.get((highest > top, lowest < bottom), "neither"),
        gap, logarithmic, facts, notes,
    )  # fmt: skip


def _fit_for_signs(cmap: str, both: bool) -> tuple[str, list[str]]:
    """A colour map that can show the signs there are, and what to say about it."""
    if not both or cmap.removesuffix("_r") in _DIVERGING:
        return cmap, []
    told = f"weights have both signs, which {P.cmap} {cmap} cannot show: drawn with {DIVERGING}"
    return DIVERGING, [] if cmap == DEFAULT else [told]


def _ends(weights: np.ndarray[Any, Any], lowest: float, percentiles: tuple[float, float]) -> tuple[float, float]:
    """Both percentiles of the magnitudes."""
    import numpy as np

    magnitudes = weights if lowest >= 0 else np.abs(weights)
    asked = [percentile for percentile in percentiles if 0 < percentile < 100]
    found = dict(zip(asked, np.percentile(magnitudes, asked).tolist(), strict=True)) if asked else {}
    found.update({0: float(magnitudes.min()), 100: float(magnitudes.max())})
    return found[percentiles[0]], found[percentiles[1]]


def _norm(bottom: float, top: float, low: float, logarithmic: bool) -> Normalize:
    from matplotlib.colors import LogNorm, Normalize, SymLogNorm

    if logarithmic and bottom > 0:
        return LogNorm(bottom, top, clip=False)
    if logarithmic:
        # Logarithmic both ways from the weakest weight on; between there is nothing, and of the scale a small part.
        return SymLogNorm(low, linscale=0.07 * math.log10(max(-bottom, top) / low), vmin=bottom, vmax=top, base=10)
    # One weight alone: any scale with it in the middle, since all its colours are the same.
    return Normalize(bottom, top) if bottom < top else Normalize(bottom - 0.5, top + 0.5)


def _ticks(bottom: float, top: float, low: float, logarithmic: bool, whole: bool) -> list[float]:
    """Numbers as people read them: 1, 2, 5, 10, and not powers of ten."""
    if bottom == top:
        return [bottom]
    if not logarithmic:
        return _even(bottom, top, whole)
    if bottom > 0:
        return _decades(bottom, top, whole, 7) or _even(bottom, top, whole)
    magnitudes = _decades(low, max(-bottom, top), whole, 4 if top > 0 else 7)
    if top < 0:
        return [-tick for tick in reversed(magnitudes)] or _even(bottom, top, whole)
    return [*(-tick for tick in reversed(magnitudes)), *magnitudes]


def _decades(low: float, high: float, whole: bool, most: int) -> list[float]:
    """Some of ..., 0.5, 1, 2, 5, 10, ... from low to high; none where there are not two."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps, every in (((1, 2, 5), 1), ((1, 3), 1), ((1,), 1), ((1,), 2), ((1,), 3), ((1,), 6)):
        ticks = [float(f"{step}e{power}") for power in powers if power % every == 0 for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high and (not whole or tick.is_integer())]
        if len(ticks) <= most:
            return ticks if len(ticks) > 1 else []
    return []


def _even(bottom: float, top: float, whole: bool) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    ticks = [float(tick) for tick in MaxNLocator(5, integer=whole, steps=[1, 2, 5, 10]).tick_values(bottom, top)]
    slack = 1e-9 * (top - bottom)
    return [round(tick, 12) for tick in ticks if bottom - slack <= tick <= top + slack] or [bottom, top]


def number(value: float) -> str:
    """A number for people: with thousands set off, and never as a power of ten."""
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace("-", "\N{MINUS SIGN}")
    digits = 0 if value == 0 else max(0, 5 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "\N{MINUS SIGN}")
