"""Colours of vector figures in light and in dark pages: CSS variables, and the sheet for them."""

from __future__ import annotations

from .look import COLOURS, GREY, RANK_COLOURS, RC

#: A name, the colour in the drawing (which is that of light pages), and that of dark pages.
PALETTE = {
    "ink": ("#000000", "#e4e6e8"),
    "paper": ("#ffffff", "#111111"),
    "grid": (RC["grid.color"].lower(), "#3a3d41"),
    "grey": (GREY.lower(), "#9aa0a6"),
    "style": (COLOURS["style"].lower(), "#4a90d9"),
    "facts": (COLOURS["facts"].lower(), "#e8702a"),
    "standard": (COLOURS["alpha/r"].lower(), "#8fe0c4"),
    "rslora": (COLOURS["alpha/sqrt(r)"].lower(), "#f5a8fa"),
    "rank-1": (RANK_COLOURS[0].lower(), "#9db4ff"),
    "rank-2": (RANK_COLOURS[1].lower(), "#b06cc9"),
    "rank-4": (RANK_COLOURS[3].lower(), "#00a88c"),
    "frame": ("#cccccc", "#55585c"),
}
#: Where a dark page says that it is one, or a light one on a machine set to dark.
_DARK = (
    "[data-jp-theme-light=false]", "html[theme=dark]", "[data-theme=dark]", ".vscode-dark",
)  # fmt: skip
_LIGHT = (
    "[data-jp-theme-light=true]", "html[theme=light]", "[data-theme=light]", ".vscode-light",
)  # fmt: skip

_NAMES = {light: name for name, (light, _) in PALETTE.items()}


def variable(colour: str) -> str:
    """The CSS variable for a colour of the drawing; the colour itself where it has none.

    >>> variable("#000000")
    'var(--rank-lab-ink)'
    """
    return f"var(--rank-lab-{_NAMES[colour]})" if colour in _NAMES else colour


def on_map(colour: str) -> str:
    """The same on a coloured map, where black and white stay as they are.

    >>> on_map("#000000")
    '#000000'
    """
    return colour if _NAMES.get(colour) in ("ink", "paper") else variable(colour)


def css(box: str) -> str:
    """The style sheet that gives the variables their values inside of `box`, a selector.

    Paper is light.
    """
    light, dark = (
        ";".join(f"--rank-lab-{name}:{colours[i]}" for name, colours in PALETTE.items())
        for i in (0, 1)
    )
    lights = ",".join(f"{where} {box}" for where in _LIGHT)
    darks = ",".join(f"{where} {box}" for where in _DARK)
    return (
        f"{box}{{{light}}}@media not print{{@media (prefers-color-scheme:dark){{{box}{{{dark}}}}}"
        f"{lights}{{{light}}}{darks}{{{dark}}}}}"
    )
