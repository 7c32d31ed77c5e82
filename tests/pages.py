"""Reads what a page holds, by other means than its script; and a browser that opens pages."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"

#: Nothing but the page is to be loaded, and nothing kept.
_SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def about(page: str) -> dict[str, Any]:
    """What a page says of itself."""
    found = re.search(r'<script type="application/json" id="about">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def stream(page: str, name: str) -> bytes | None:
    """The bytes of a stream, bit by bit."""
    found = re.search(rf'data-stream="{re.escape(name)}">(.*?)</script>', page, re.DOTALL)
    if found is None:
        return None
    stands_for = {"\xc0": "\0", "\xc1": "\r", "\xc2": "<"}
    bits = "".join(format(ord(stands_for.get(letter, letter)), "07b") for letter in found[1])
    content = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) // 8 * 8, 8))
    return zlib.decompress(content, -zlib.MAX_WBITS)


def integers(content: bytes) -> list[int]:
    """Varints."""
    made, value, shift = [], 0, 0
    for byte in content:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            made.append(value)
            value = shift = 0
    assert shift == 0
    return made


def numbers(content: bytes, whole: bool) -> list[Any]:
    if whole:
        return [value // 2 if value % 2 == 0 else -(value + 1) // 2 for value in integers(content)]
    number = len(content) // 8
    planes = [content[plane * number : (plane + 1) * number] for plane in range(8)]
    return [struct.unpack("<d", bytes(plane[i] for plane in planes))[0] for i in range(number)]


def names(page: str, prefix: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Names of the rows, and of the columns."""
    content = stream(page, f"{prefix}names")
    assert content is not None
    found = json.loads(content)
    return found["source"], found.get("target", found["source"])


def entries(page: str, layer: str = "neurons", part: int | None = None) -> dict[tuple[str, str], Any]:
    """Names of a pair -> its weight; of one of several matrices."""
    prefix, told = ("", about(page)) if part is None else (f"{part}.", about(page)["parts"][part])
    source, target = names(page, prefix)
    rows, columns = (side["ids" if layer == "neurons" else "types"] for side in (source, target))
    counts, high = (integers(stream(page, f"{prefix}{layer}.{name}") or b"") for name in ("counts", "high"))
    low = stream(page, f"{prefix}{layer}.gaps") or b""
    weights = numbers(stream(page, f"{prefix}{layer}.weights") or b"", told["layers"][layer]["whole"])
    assert len(low) == len(high) == len(weights) == sum(counts)
    found, at = {}, 0
    for row, count in zip(rows, counts, strict=True):
        column = -1
        for _ in range(count):
            column += high[at] * 256 + low[at] + 1
            found[row, columns[column]] = weights[at]
            at += 1
    return found


def types(side: dict[str, Any]) -> dict[str, str]:
    """ID -> type, of the neurons that have one."""
    return {
        neuron: label
        for label, start, stop in zip(side["types"], side["bounds"][:-1], side["bounds"][1:], strict=True)
        for neuron in side["ids"][start:stop]
    }


def same_sum(values: list[Any], other: Any) -> bool:
    """Whether numbers add up to another, as far as a float can tell."""
    total = sum(map(Fraction, values))
    return abs(total - Fraction(other)) <= abs(total) * Fraction(1, 10**12)


class Screen:
    """A browser of a size and a theme."""

    def __init__(self, driver: Any, downloads: Path) -> None:
        self.driver, self.downloads = driver, downloads

    def open(self, path: Path, width: int = 1000, height: int = 900, dark: bool = False) -> None:
        """Open a page, offline, and wait until it is ready."""
        theme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.command("Emulation.setEmulatedMedia", features=theme)
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        self.command("Network.enable")
        self.command("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0,
                     uploadThroughput=0)  # fmt: skip
        self.driver.get(path.resolve().as_uri())
        self.wait("Ready")
        self.settle()

    def command(self, name: str, **arguments: Any) -> Any:
        return self.driver.execute_cdp_cmd(name, arguments)

    def wait(self, start: str) -> None:
        """Until the page says something."""
        self.until(lambda: self.text("status").startswith(start), f"status {start}")

    def settle(self) -> None:
        """Let some frames pass, after which the page has its final measures."""
        self.driver.execute_async_script(
            "const done = arguments[0]; let left = 4;"
            "const next = () => (left-- ? requestAnimationFrame(next) : done()); next();"
        )

    def until(self, holds: Any, what: str) -> None:
        end = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < end, f"{what}: {self.text('status')}, {self.errors()}"
            time.sleep(0.02)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def find(self, name: str) -> Any:
        return self.driver.find_element("id", name)

    def text(self, name: str) -> str:
        return str(self.run("return document.getElementById(arguments[0]).textContent", name))

    def choose(self, name: str, value: str) -> None:
        """Choose from a list as a user does, and wait until it is shown."""
        from selenium.webdriver.support.select import Select

        Select(self.find(name)).select_by_value(value)
        self.until(lambda: self.run("return document.body.getAttribute('aria-busy')") is None, "still busy")
        self.settle()

    def keys(self, *keys: str) -> None:
        self.find("plot").send_keys(*keys)

    def point(self, row: float, column: float) -> tuple[float, float]:
        """Where a place of the matrix is on the canvas, from its middle, as the driver counts."""
        x, y = self.run("return [plot.x(arguments[1]), plot.y(arguments[0])]", row, column)
        size = self.find("plot").size
        return x - size["width"] / 2, y - size["height"] / 2

    def mouse(self, start: tuple[float, float], end: tuple[float, float] | None = None, press: bool = False) -> None:
        """Move to a place (row, column), press there, and go to another."""
        from selenium.webdriver.common.action_chains import ActionChains

        chain = ActionChains(self.driver, duration=20)
        chain.move_to_element_with_offset(self.find("plot"), *map(round, self.point(*start)))
        if press:
            chain.click_and_hold()
        if end is not None:
            chain.move_to_element_with_offset(self.find("plot"), *map(round, self.point(*end)))
        if press:
            chain.release()
        chain.perform()

    def tip(self) -> dict[str, str]:
        """What is said of the pair under the pointer."""
        return dict(self.run(
            "return Object.fromEntries([...document.querySelectorAll('#tip:not([hidden]) dt')]"
            ".map((term) => [term.textContent, term.nextSibling.textContent]))"
        ))  # fmt: skip

    def table(self) -> list[list[str]]:
        """The table of the selection."""
        return list(self.run(
            "return [...document.querySelectorAll('#rows tr')]"
            ".map((line) => [...line.children].map((cell) => cell.textContent))"
        ))  # fmt: skip

    def saved(self, button: str, name: str) -> str:
        """What a button saves."""
        path = self.downloads / name
        path.unlink(missing_ok=True)
        self.find(button).click()
        self.until(path.exists, f"{name} is not saved")
        return path.read_text(encoding="utf-8")

    def errors(self) -> list[str]:
        """What the console complains of."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def drawn(self, script: str, *arguments: Any) -> Any:
        """What a script gives right after all that is in view was drawn.

        A frame makes the tiles that it has time for, and leaves the others to the next.
        """
        found: list[Any] = []

        def look() -> bool:
            one = f"plot.draw(); if (plot.waiting) return []; return [((...given) => {{{script}}})(...arguments)];"
            found[:] = self.run(one, *arguments)
            return bool(found)

        self.until(look, "tiles are missing")
        return found[0]

    def colour(self, row: float, column: float) -> tuple[int, int, int]:
        """Colour of the canvas at a place of the matrix."""
        found = self.drawn(
            "const one = new OffscreenCanvas(1, 1).getContext('2d');"
            "const [x, y] = [plot.x(given[1]), plot.y(given[0])].map(Math.floor);"
            "one.drawImage(plot.canvas, x, y, 1, 1, 0, 0, 1, 1);"
            "return [...one.getImageData(0, 0, 1, 1).data]",
            row, column,
        )  # fmt: skip
        return tuple(found[:3])


def why_no_browser() -> str:
    """Why pages cannot be opened here; "" where they can."""
    if not (os.path.exists(CHROMIUM) and os.path.exists(DRIVER)):
        return "no Chromium: apt-get install chromium chromium-driver"
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "no selenium, which the extra dev has"
    return ""


@contextmanager
def opened_browser() -> Iterator[Screen]:
    """A browser with an empty profile of its own."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    reason = why_no_browser()
    if reason:
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="crantcli-browser-"))
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in (*_SWITCHES, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        downloads = folder / "downloads"
        downloads.mkdir()
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
        yield Screen(driver, downloads)
    finally:
        driver.quit()
        shutil.rmtree(folder, ignore_errors=True)
