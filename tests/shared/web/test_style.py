"""The stylesheet's colours by WCAG 2.2: 4.5:1 for text (1.4.3), 3:1 for edges of controls and focus (1.4.11)."""

import re

import pytest

TEXT = [
    *((ink, ground) for ink in ("ink", "soft", "link") for ground in ("paper", "sheet", "sunk")),
    ("gate-ink", "gate"),
    ("paper", "ink"),
    *((tone, f"{tone}-bg") for tone in ("good", "bad", "warn", "busy", "fresh")),
    ("good", "paper"),
]
COLOUR = re.compile(r"--([a-z-]+): (#[0-9a-f]{6});")
EDGES = [(line, ground) for line in ("edge", "focus") for ground in ("paper", "sheet")]


@pytest.fixture(scope="module")
def schemes(statics):
    css = statics.find(statics.url("style.css").split("/")[2], "style.css").body.decode()
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]
    return {name: dict(COLOUR.findall(block)) for name, block in (("light", light), ("dark", dark))}


def luminance(colour):
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT)
def test_text_stands_out_from_its_ground(schemes, scheme, ink, ground):
    assert contrast(schemes[scheme][ink], schemes[scheme][ground]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("line", "ground"), EDGES)
def test_edges_of_controls_and_focus_stand_out(schemes, scheme, line, ground):
    assert contrast(schemes[scheme][line], schemes[scheme][ground]) >= 3


def test_both_schemes_name_the_same_colours(schemes):
    assert schemes["light"].keys() == schemes["dark"].keys()
