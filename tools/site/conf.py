"""Sphinx's settings for the pages. `tools/site/build.py` prepares what they are made from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import math_core
from docutils.nodes import SkipNode

sys.path.insert(0, str(Path(__file__).parents[2]))
from tools.project import read_version

project = "LoRA Rank Lab"
author = "the LoRA Rank Lab authors"
release = read_version()
language = "en"
extensions = ["myst_nb"]
html_theme = "furo"
html_title = project
# What is drawn beforehand has a style sheet of its own, which the build writes.
html_static_path = ["static", "../../build/site-files/static"]
html_favicon = "static/favicon.svg"
html_css_files = ["site.css", "drawn.css", "explorer.css"]
html_js_files = [
    (name, {"defer": "defer"}) for name in ("site.js", "predictions.js", "explorer.js")
]
html_copy_source = html_show_sourcelink = html_use_index = html_show_copyright = False
html_show_sphinx = False
html_theme_options = {
    "top_of_page_buttons": [],
    "light_css_variables": {
        "color-brand-primary": "#14342B",
        "color-brand-content": "#0B5394",
        "color-brand-visited": "#6A2468",
    },
    "dark_css_variables": {
        "color-brand-primary": "#9AD6C3",
        "color-brand-content": "#8AB8F0",
        "color-brand-visited": "#D3A3DE",
    },
}

nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, Any] = {}
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
# Headings as JupyterLab names them, so that the same links work in both.
myst_heading_anchors = 3
myst_heading_slug_func = "tools.site.build.heading_slug"
myst_update_mathjax = False

html_math_renderer = "mathml"
#: Every browser draws MathML by itself: no script, no fonts to fetch, and screen readers read it.
_MATH = math_core.LatexToMathML(annotation=True)


def _inline(translator: Any, node: Any) -> None:
    translator.body.append(_MATH.convert_with_local_state(node.astext(), displaystyle=False))
    raise SkipNode


def _block(translator: Any, node: Any) -> None:
    formula = _MATH.convert_with_local_state(node.astext(), displaystyle=True)
    translator.body.append(f'<div class="math scroll">{formula}</div>')
    raise SkipNode


def setup(app: Any) -> None:
    app.add_html_math_renderer(
        "mathml", inline_renderers=(_inline, None), block_renderers=(_block, None)
    )
