# Every notebook opens with this cell: it finds the code of the series, or fetches it on Colab.
import os
import shutil
import subprocess
import sys
from pathlib import Path

ADDRESS = ""  # owner/name on GitHub; written by `make address`
REVISION = "v1.0.0"

cloned = Path.cwd() / "lora-rank-lab"
# Beside or above the notebook, cloned earlier, or installed as in the browser edition.
places = [Path.cwd(), *Path.cwd().parents, cloned, *map(Path, sys.path)]
folder = next((place for place in places if (place / "helpers/lora/scaling.py").is_file()), None)
if folder is None and ADDRESS and "google.colab" in sys.modules:
    source, part = f"https://github.com/{ADDRESS}.git", Path.cwd() / "lora-rank-lab.part"
    shutil.rmtree(part, ignore_errors=True)  # left where an earlier run was interrupted
    git = ["git", "clone", "--quiet", "--depth", "1", "--branch", REVISION]
    try:
        subprocess.run([*git, source, str(part)], check=True, capture_output=True, text=True)
        folder = part.rename(cloned)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", "").strip() or error
        raise RuntimeError(
            f"{source} at {REVISION} could not be fetched: {why} Run this cell "
            "again, or upload the folder `helpers` of the series beside this notebook."
        ) from None
if folder is None:
    raise RuntimeError(
        "The folder `helpers` of the series is not here. Get the whole series, not this one "
        "file, and open the notebook from its own folder; on Colab, upload `helpers` beside it."
    )
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # quickest for matrices as small as ours
sys.path.insert(0, str(folder))
import helpers

print(f"LoRA Rank Lab {helpers.__version__} is ready.")
