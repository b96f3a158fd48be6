# Every notebook opens with this cell: it finds the code of the series, the folder `helpers`.
import runpy
import sys
from pathlib import Path

places = [Path.cwd(), *Path.cwd().parents[:2], *map(Path, sys.path)]
# <Colab
ADDRESS = ""  # owner/name on GitHub; written by `make address`
REVISION = "v1.0.0"
SOURCE = f"https://github.com/{ADDRESS}.git"
cloned, part = Path.cwd() / "lora-rank-lab", Path.cwd() / "lora-rank-lab.part"
places.append(cloned)
# Colab>
found = [place for place in places if (place / "helpers/first_cell.py").is_file()]
# <Colab
if not found and "google.colab" in sys.modules:
    import shutil
    import subprocess

    shutil.rmtree(part, ignore_errors=True)  # left where an earlier run was interrupted
    git = ["git", "clone", "--quiet", "--depth", "1", "--branch", REVISION]
    try:
        subprocess.run([*git, SOURCE, str(part)], check=True, capture_output=True, text=True)
        found = [part.rename(cloned)]
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", "").strip() or error
        raise RuntimeError(
            f"{SOURCE} at {REVISION} could not be fetched: {why} Run this cell "
            "again, or upload the folder `helpers` of the series beside this notebook."
        ) from None
# Colab>
if not found:
    raise ImportError("Get the whole series, or put its folder `helpers` beside this notebook.")
first_cell = runpy.run_path(str(found[0] / "helpers/first_cell.py"), run_name="__main__")
