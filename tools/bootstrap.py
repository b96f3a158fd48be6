# Every notebook opens with this cell: it finds the series' own code, or fetches it on Colab.
import subprocess
import sys
from pathlib import Path

ADDRESS = ""  # owner/name on GitHub; written by `make address`
REVISION = "v1.0.0"


def series_folder() -> Path:
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "helpers" / "scaling.py").is_file():
            return folder
    if "google.colab" not in sys.modules:
        raise RuntimeError(
            "This notebook needs the folder `helpers` of its series, and it is not here. "
            "Get the whole series instead of this one file, and open the notebook from its folder."
        )
    folder = Path.cwd() / "lora-rank-lab"
    command = ["git", "clone", "--quiet", "--depth", "1", "--branch", REVISION]
    done = subprocess.run(
        [*command, f"https://github.com/{ADDRESS}.git", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(
            f"Fetching {ADDRESS or '(no address is set)'} at {REVISION} failed: "
            f"{done.stderr.strip()}\nRun this cell again when the network is back, or download "
            f"the repository and upload its folder `helpers` beside this notebook."
        )
    return folder


sys.path.insert(0, str(series_folder()))
import helpers

print(f"LoRA Rank Lab {helpers.__version__} is ready.")
