"""Reading the stored notebooks: cells, outputs, prose, links and folded answers."""

import ast
import re
from pathlib import Path
from urllib.parse import unquote

import nbformat

from helpers import controls
from helpers.lora import article
from tools.claims import bound

FOLDER = Path(__file__).parents[2] / "notebooks"
#: The series, and with the appendices.
PATHS = sorted(FOLDER.glob("*.ipynb"))
APPENDICES = sorted(FOLDER.glob("appendix/*.ipynb"))
EVERY = [*PATHS, *APPENDICES]
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", flags=re.M | re.S)
CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", flags=re.S)
MATH = re.compile(r"\$\$.+?\$\$|\$(?!\s).+?(?<!\s)\$", flags=re.S)
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$", flags=re.M)
ANCHOR = re.compile(r"<a\s+(?:id|name)=[\"']([^\"']+)[\"']")
DETAILS = re.compile(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>", flags=re.S)
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```[ \t]*$", flags=re.M | re.S)
CHECK = re.compile(r"^exercises\.check\(\"([^\"]+)\", .*\)$")


def load(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def markdown_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def shows_a_picture(notebook, cell):
    """Whether a code cell has a picture, as an output or folded into the cell that reads it."""
    after = notebook.cells[notebook.cells.index(cell) + 1]
    return bool(after.get("attachments")) or any(
        "image/png" in output.get("data", {}) for output in cell.outputs
    )


def texts(output):
    """Every textual form of an output: a stream's text, or each text/* form of its data."""
    if output.output_type == "stream":
        return [output.text]
    return [text for kind, text in output.get("data", {}).items() if kind.startswith("text/")]


def headings(source):
    """(level, text) of each heading outside fenced code."""
    return [(len(marks), text) for marks, text in HEADING.findall(FENCE.sub("", source))]


def links(source):
    """Targets of the links and images outside fenced code and code spans."""
    return LINK.findall(CODE_SPAN.sub("", FENCE.sub("", source)))


def anchors(notebook):
    """What a #fragment can point to: explicit ids, and headings as JupyterLab names them."""
    found = set()
    for cell in markdown_cells(notebook):
        source = FENCE.sub("", cell.source)
        found.update(ANCHOR.findall(source))
        for _, text in headings(source):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
            found.add(re.sub(r"[`*]", "", plain).replace(" ", "-"))
    return found


def problem_with_link(path, target):
    """What is wrong with a link in the notebook at `path`, or ""."""
    if re.match(r"[a-z][a-z+.-]*:", target, flags=re.I):
        return ""
    file, _, fragment = target.partition("#")
    other = (path.parent / unquote(file)).resolve() if file else path
    if file.startswith("/"):
        return "is absolute"
    if not other.exists():
        return f"leads to {file}, which does not exist"
    if fragment and other.suffix == ".ipynb" and unquote(fragment) not in anchors(load(other)):
        return f"leads to #{fragment}, which {other.name} does not have"
    return ""


def prose(source):
    """Markdown without everything whose numbers are not claims."""
    for pattern in (FENCE, CODE_SPAN, MATH):
        source = pattern.sub(" ", source)
    source = LINK.sub("]", source)
    source = re.sub(r"https?://\S+|arXiv:\S+|\b\d{4}\.\d{5}\b", " ", source, flags=re.I)
    source = re.sub(r"<[^>]*>", " ", source)
    return re.sub(r"^(#+\s+)\d+(\.\d+)*\.?\s", r"\1", source, flags=re.M)


DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w]|\.\d)")


def decimals(text):
    return set(DECIMAL.findall(text))


def stored_numbers(notebook):
    """Every decimal number that an output shows."""
    shown = "\n".join(text for output in outputs(notebook) for text in texts(output))
    return {float(number) for number in decimals(re.sub(r"<[^>]*>", " ", shown))}


def quotable_numbers():
    """What prose may name without showing it: a slider's stops, and what others reported."""
    reported = {value for claim in article.CLAIMS for value in claim.values}
    return {
        *controls.SCALES,
        *controls.NOISES,
        *controls.TARGETS,
        *controls.LEARNING_RATES,
    } | reported


def sentence_with(number, text):
    """The sentence of `text` that holds `number`, on one line."""
    sentences = re.split(r"(?<=[.!?:])\s+|\n{2,}|\n(?=[-*|\d])", text)
    pattern = rf"(?<![\w.]){re.escape(number)}(?![\w]|\.\d)"
    return next((" ".join(each.split()) for each in sentences if re.search(pattern, each)), "")


def claims_name(path):
    """The name of a notebook's file of claims: its number, or its own in the appendix."""
    return path.stem[:2] if path.stem[:2].isdigit() else path.stem


def bound_numbers(name):
    """The numbers that a text's claims bind to an expression over helpers or other outputs."""
    entries = [entry for entry in bound.read()[name].entries if entry.kind == "bound"]
    return {float(number) for entry in entries for number, _ in bound.stated(entry.words)}


def numbers_without_a_source(notebook, name):
    """(number, sentence) for each decimal in the prose that no output shows and no claim binds."""
    known, missing = stored_numbers(notebook) | quotable_numbers() | bound_numbers(name), []
    for cell in markdown_cells(notebook):
        text = prose(cell.source)
        unknown = sorted(number for number in decimals(text) if float(number) not in known)
        missing += [(number, sentence_with(number, text)) for number in unknown]
    return missing


def folded(notebook, cell):
    """The (summary, content) pairs folded under a code cell, up to the next code cell."""
    at = notebook.cells.index(cell) + 1
    source = ""
    while at < len(notebook.cells) and notebook.cells[at].cell_type == "markdown":
        source += notebook.cells[at].source + "\n\n"
        at += 1
    return DETAILS.findall(source)


def exercise_key(cell):
    """The key that an exercise cell checks in its last line, or None."""
    found = CHECK.match(cell.source.rstrip().splitlines()[-1])
    return found and found.group(1)


def solution(notebook, cell):
    """The one Python block of the exercise's folded solution."""
    (content,) = (content for summary, content in folded(notebook, cell) if summary == "Solution")
    (block,) = PYTHON_BLOCK.findall(content)
    return block


def needed(sources, asked):
    """Which cells, in order, must run for those that are asked for: where their names come from.

    The first cell is one of them: what it does is not seen in its names.
    """
    wanted, found = set(), []
    for name, source in reversed(sources.items()):
        used, made = _names(source)
        if name in asked or made & wanted or name == next(iter(sources)):
            found.append(name)
            wanted |= used
    return found[::-1]


def _names(source):
    """The names that a cell uses, and those that it makes or changes."""
    used, made = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (made if isinstance(node.ctx, ast.Store) else used).add(node.id)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            made |= {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return used, made
