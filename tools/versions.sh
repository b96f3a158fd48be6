#!/bin/sh
# Do the stored outputs hold under other versions? The oldest that requirements.txt admits,
# and those of Colab. Each set has its own environment, made once.
set -eu
cd "$(dirname "$0")/.."

python_of() { # the first of the named versions that is here
    for name in "$@"; do
        for candidate in "python$name" "$HOME"/.pyenv/versions/"$name".*/bin/python; do
            if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c '' 2>/dev/null; then
                echo "$candidate"
                return
            fi
        done
    done
}

check() { # name, constraints, python versions
    name=$1 constraints=$2
    shift 2
    python=$(python_of "$@")
    if [ -z "$python" ]; then
        echo "skipped $name: it needs Python $*, which is not here"
        return
    fi
    folder=.venv-$name
    if ! [ "$folder/.made" -nt "$constraints" ]; then
        "$python" -m venv --clear "$folder"
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
            -r "$constraints" safetensors nbval pytest pytest-xdist hypothesis colorspacious
        touch "$folder/.made"
    fi
    echo "$name: $("$folder/bin/python" --version), $(grep -c == "$constraints") versions pinned"
    "$folder/bin/python" -m pytest --nbval --nbval-cell-timeout=120 -p no:cacheprovider -q \
        -n 2 --dist=loadfile notebooks/*.ipynb
    # What depends on the versions most: drawing, widgets, and the numbers themselves.
    "$folder/bin/python" -m pytest -q -n 2 --dist=loadfile -p no:cacheprovider -W ignore \
        tests/test_figures.py tests/test_explorers.py tests/test_updates.py \
        tests/test_approximation.py tests/test_training.py tests/test_language_model.py \
        tests/test_truncation.py tests/test_small_model.py
}

check oldest tests/versions/oldest.txt 3.10 3.11
check colab tests/versions/colab.txt 3.13
