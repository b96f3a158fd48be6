"""A shipped adapter dropped into a page, and the mended copy taken home, as a reader does it."""

import zipfile
from pathlib import Path

ADAPTER = Path(__file__).parents[2] / "helpers" / "data" / "adapters" / "people"
BUTTON = ".widget-upload"
LINK = "a[download='mended-adapter.zip']"


def drop_and_take_home(page, folder, seconds=60):
    """Drop the adapter `people`; return the words that it gets and the copy's two files."""
    with page.expect_file_chooser() as chooser:
        page.locator(BUTTON).click()
    chooser.value.set_files(sorted(ADAPTER.iterdir()))
    page.locator(LINK).wait_for(timeout=1000 * seconds)
    words = page.locator(f".widget-vbox:has(> {BUTTON})").inner_text()
    with page.expect_download() as download:
        page.locator(LINK).click()
    download.value.save_as(folder / "home.zip")
    with zipfile.ZipFile(folder / "home.zip") as archive:
        archive.extractall(folder / "home")
    return words, folder / "home"
