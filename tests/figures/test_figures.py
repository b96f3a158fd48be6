"""Every figure: the drawn arrays, the sentence, and the promises that all pictures make."""

import base64
import io
import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from IPython import display as ipython_display
from matplotlib import style as mpl_style
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from helpers import figures
from helpers.figures.look import COLOURS, GREY
from helpers.figures.picture import caption
from tests.support.figures import EXPECTED
from tests.support.matrices import assert_same, contrast

OURS = (*COLOURS.values(), GREY, "white", "black")
CLASSES = [name for name in figures.__all__ if name != "Picture"]


@pytest.fixture(scope="module", params=CLASSES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def settings(name):
    return EXPECTED[name][1]


@pytest.fixture(scope="module")
def picture(name, settings):
    """One picture a class for all tests: building it is the slow part."""
    return getattr(figures, name)().draw(**settings[0])


@pytest.fixture(scope="module")
def first(picture, settings):
    """The picture at its first settings, for the screen and for storing."""
    picture.draw(**settings[0])
    return picture.png(), picture.still()


def opened(png):
    return Image.open(io.BytesIO(png))


def colours_in(png):
    """The colours that occur, as an (n, 3) array."""
    image = opened(png)
    palette = np.array(image.getpalette()).reshape(-1, 3)
    return palette[[index for _, index in image.getcolors()]]


def test_every_figure_has_a_check():
    assert set(EXPECTED) == set(CLASSES)


@pytest.mark.parametrize("which", [0, 1])
def test_drawn_arrays_and_the_sentence(name, picture, settings, which):
    chosen = settings[which % len(settings)]
    assert picture.draw(**chosen) is picture
    assert_same(picture.drawn, picture.numbers(**chosen))
    for part in EXPECTED[name][0](picture, **chosen):
        assert part in picture.description
    assert picture.description.endswith(".")
    assert "nan" not in picture.description


def test_png_follows_the_settings(picture, settings, first):
    second = picture.draw(**settings[-1]).png()
    assert (second != first[0]) == (len(settings) > 1)
    assert opened(second).size == opened(first[0]).size
    assert picture.draw(**settings[0]).png() == first[0]


def test_still_is_sharper_and_leaves_the_screen_picture_alone(picture, settings, first):
    # The title stands above the still one alone.
    sizes = picture.size, picture.figure.get_size_inches()
    for png, dpi, sides in zip(first, (100, 150), sizes):
        # Matplotlib cuts a part of a pixel off, or rounds it, depending on the version.
        assert opened(png).size == pytest.approx([dpi * side for side in sides], abs=1)
    assert picture.draw(**settings[0]).png() == first[0]


def test_a_stop_while_it_is_stored_leaves_the_screen_picture_alone(monkeypatch):
    picture = figures.ScaleOverRank().draw(rank=8, alpha=16)
    before = picture.png()
    with monkeypatch.context() as patch:
        patch.setattr(picture.canvas, "draw", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            picture.still()
    assert picture.png() == before


@pytest.mark.parametrize("dpi", [100, 150])
def test_its_height_is_cut_to_the_pixel_that_it_is_rounded_to(picture, dpi):
    """2.3 and 0.32 inches are 392.99999999999994 of 150 an inch."""
    height = picture.figure.get_size_inches()[1] * dpi
    assert int(height) == round(height)


def test_background_is_opaque_and_white(first):
    for png in first:
        assert "transparency" not in opened(png).info
        assert opened(png).convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_lines_keep_the_colours_of_the_palette(picture, first):
    lines = [artist for artist in picture.moving if isinstance(artist, Line2D)]
    drawn = {to_rgb(line.get_color()) for line in lines} & set(map(to_rgb, OURS))
    for png in first:
        for colour in drawn:
            off = np.abs(colours_in(png) - 255 * np.array(colour)).max(axis=1)
            # Pillow looks a colour up to the nearest 4 levels in 256.
            assert off.min() <= 4


READERS_TASTE = [
    "dark_background",
    {"font.size": 22, "lines.linewidth": 9, "figure.dpi": 50, "savefig.dpi": 50,
     "savefig.transparent": True, "axes.grid": False, "path.simplify": False},
]  # fmt: skip


def settings_of_matplotlib():
    """All of rcParams; the backend is left out, because reading it would choose one."""
    return {name: mpl.rcParams[name] for name in mpl.rcParams if name != "backend"}


def test_the_readers_settings_change_nothing_and_are_not_changed(
    picture, settings, first, monkeypatch
):
    picture.draw(**settings[0])
    monkeypatch.setattr(type(picture), "numbers", lambda *_: picture.drawn)  # computed once
    with mpl_style.context(READERS_TASTE):
        before = settings_of_matplotlib()
        styled = type(picture)().draw()
        assert styled.still() == first[1]
        # On screen only what moves is drawn anew, with settings of its own.
        assert picture.png() == first[0]
        assert settings_of_matplotlib() == before


def test_text_is_large_enough(picture, settings):
    picture.draw(**settings[0])
    texts = [text for text in picture.figure.findobj(Text) if text.get_text().strip()]
    small = [text.get_text() for text in texts if text.get_visible() and text.get_fontsize() < 10]
    assert texts
    assert small == []


def test_lines_stand_out_from_white(picture, settings):
    picture.draw(**settings[0])
    for ax in picture.figure.axes:
        if ax.images or ax.collections:
            continue
        for line in ax.lines:
            if line.get_linestyle() == "None" or line.get_linewidth() == 0:
                continue  # markers only
            alpha = 1 if line.get_alpha() is None else line.get_alpha()
            assert contrast(alpha * np.array(to_rgb(line.get_color())) + 1 - alpha, "white") >= 3
            # Narrower, no pixel has all of its colour.
            assert line.get_linewidth() * picture.DPI / 72 >= 1


def test_text_stands_out_from_what_is_behind_it(picture, settings):
    picture.draw(**settings[0])
    texts = [
        text
        for text in picture.figure.findobj(Text)
        if text.get_text().strip() and text.get_visible()
    ]
    colours = [text.get_color() for text in texts]
    canvas = picture.canvas
    try:
        for text in texts:
            text.set_color("none")
        canvas.draw()
        for artist in picture.moving:
            picture.figure.draw_artist(artist)
        behind = np.asarray(canvas.buffer_rgba())[::-1, :, :3] / 255
    finally:
        for text, colour in zip(texts, colours):
            text.set_color(colour)
        picture._pixels = None
    for text, colour in zip(texts, colours):
        left, bottom, right, top = np.round(text.get_window_extent().extents).astype(int)
        pixels = behind[max(bottom, 0) : top, max(left, 0) : right].reshape(-1, 3)
        if not len(pixels):  # a tick beyond the axis
            continue
        # A line or a grid may cross a tenth of it.
        assert np.quantile(contrast(to_rgb(colour), pixels), 0.1) >= 4.5, text.get_text()


def test_a_notebook_shows_the_image_with_alt_text_and_then_the_sentence(
    picture, settings, first, monkeypatch
):
    shown = []
    monkeypatch.setattr(
        ipython_display, "display", lambda data, **options: shown.append((data, options))
    )
    monkeypatch.setattr(picture, "still", lambda: first[1])
    picture.draw(**settings[0])._ipython_display_()
    *above, (image, image_options), (words, words_options) = shown
    if picture.has_text:
        text = {"text/html": picture.text_html(), "text/plain": picture.text()}
        assert above == [(text, {"raw": True})]
    else:
        assert above == []
    assert base64.b64decode(image["image/png"], validate=True) == first[1]
    assert image_options["metadata"]["image/png"]["alt"] == picture.alt
    assert picture.alt == f"{picture.title} {picture.description}"
    assert words == {"text/html": picture.words_html(), "text/plain": picture.alt}
    assert image_options["raw"] and words_options["raw"]


def test_every_moving_artist_belongs_to_the_figure(picture):
    everything = set(picture.figure.findobj())
    assert picture.moving
    assert all(artist in everything and artist.get_animated() for artist in picture.moving)


def test_a_long_description_is_folded_and_a_short_one_is_not(picture, settings):
    picture.draw(**settings[0])
    words = picture.words_html()
    assert caption(picture.description) in words
    folded = words.startswith("<details><summary>This figure in words</summary>")
    assert folded == words.endswith("</details>") == (len(picture.description) > 250)


def test_a_title_is_one_sentence_that_fits(picture, settings, first):
    for chosen in settings:
        picture.draw(**chosen)
        assert re.fullmatch(r"[A-Z0-9][^\n]*[^.]\.", picture.title)
        assert "nan" not in picture.title
        heading = picture._headline
        assert heading.get_text() == picture.title and not heading.get_visible()
        heading.set_visible(True)
        # Older versions of Matplotlib remember the renderer of the last picture that was stored.
        box = heading.get_window_extent(picture.canvas.get_renderer())
        heading.set_visible(False)
        top = picture.figure.bbox.height
        assert 0 <= box.x0 and box.x1 <= picture.figure.bbox.width
        assert picture.size[1] * picture.DPI <= box.y0 and box.y1 <= top


def test_caption_escapes():
    assert "a &lt; b &amp; c" in caption("a < b & c")


def test_no_pyplot():
    code = (
        "import sys; from helpers import explorers, figures\n"
        "figures.ScaleOverRank().draw().still(); explorers.error_over_rank()\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
