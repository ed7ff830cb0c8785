# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""README's picture says what the demo printed, and nothing else."""
import re
from xml.etree import ElementTree

import pytest

from tests.demo import picture

PRINTED = picture.TEXT.read_text(encoding="utf-8")


def texts(drawn):
    """The picture's words with their styles, in order."""
    return [(item.text, item.get("class", "")) for item in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]


def test_it_is_drawn_from_the_print_that_is_kept():
    assert picture.PICTURE.read_text(encoding="utf-8") == picture.draw(picture.lines(PRINTED))


def test_what_changed_has_a_colour():
    found = texts(picture.draw(picture.lines(PRINTED)))
    rows = {path: [style for (text, _s), *rest in zip(found, found[1:], found[2:]) if text == path for _w, style in rest] for path in picture.PATHS}
    assert rows["v4 published 8080->80"] == ["", "bad", "", "good"]
    assert rows["v4 container's own address :80"] == ["bad", "bad", "good", "good"]
    assert rows["v4 SSH"] == [""] * 4


def test_every_state_is_the_prints_and_every_change_in_words_stands_there():
    found = texts(picture.draw(picture.lines(PRINTED)))
    states = [text for text, _style in found if text in ("open", "silent", "refused", "open?")]
    assert len(states) == 4 * len(picture.PATHS) and states.count("open") > 1 < states.count("silent")
    words = [text for text, _style in found if text.startswith(("+", "-"))]
    assert len(words) == 2 * len(picture.WORDS)
    for text in words:
        assert "\n  %s\n" % text in PRINTED


def test_the_other_state_is_drawn():
    left_open = re.sub(r"(?m)^(v4 published 8080->80 .*)silent$", r"\1open", PRINTED)
    assert left_open != PRINTED
    assert picture.draw(picture.lines(left_open)) != picture.draw(picture.lines(PRINTED))


def test_signs_of_markup_are_text():
    drawn = picture.draw([[picture.Piece(0, "<script>&amp;", "title")]])
    assert texts(drawn) == [("<script>&amp;", "title")]


@pytest.mark.parametrize("text", [
    "",
    PRINTED.replace("\nDone in ", "\nThe demo failed: "),
    PRINTED.replace("trixie 26", "forky 26"),
    PRINTED.replace("\nv4 SSH ", "\nv4 shell "),
    PRINTED.replace("  +port 5300/udp", "  +port 5301/udp"),
    PRINTED.replace("paths tried", "tried"),
])
def test_another_print_is_refused(text):
    with pytest.raises(picture.Unlike):
        picture.lines(text)


@pytest.mark.parametrize("light_on_dark", [False, True])
def test_it_can_be_read_in_light_and_dark(light_on_dark):
    light, _media, dark = picture.draw([]).partition("@media (prefers-color-scheme: dark)")
    style = dark if light_on_dark else light
    colours = dict(re.findall(r"(text|rect|\.\w+) \{[^}]*fill: (#\w{6})", style))
    assert set(colours) == {"text", "rect", ".dim", ".bad", ".good"}
    for name, colour in colours.items():
        assert name == "rect" or contrast(colour, colours["rect"]) >= 4.5, name


def contrast(first, second):
    """As the guidelines for web content count it; 4.5 is enough for text."""
    high, low = sorted((brightness(first), brightness(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def brightness(colour):
    parts = [int(colour[place:place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
