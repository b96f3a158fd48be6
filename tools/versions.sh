#!/bin/sh
# Does it hold under other versions? Each set has its own environment, made once.
#
#   tools/versions.sh oldest    the oldest versions that requirements.txt admits
#   tools/versions.sh colab     Google Colab's, and a front end that speaks its ipywidgets
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

made() { # name, python versions, packages beside those listed; whether .venv-name is there
    name=$1 versions=$2 listed=tests/versions/$1.txt folder=.venv-$1
    shift 2
    # shellcheck disable=SC2086
    python=$(python_of $versions)
    if [ -z "$python" ]; then
        echo "skipped $name: it needs Python $versions, which is not here"
        return 1
    fi
    if [ "$folder/.made" -nt "$listed" ]; then
        return
    fi
    if "$python" -m venv --clear "$folder" && "$folder/bin/python" -m pip install --quiet \
        --disable-pip-version-check -r "$listed" "$@"; then
        touch "$folder/.made"
    else
        rm -rf "$folder"
        echo "skipped $name: its packages could not be installed; is there a network?"
        return 1
    fi
}

check() { # name, python versions, unit tests
    if ! made "$1" "$2" safetensors nbval pytest pytest-xdist hypothesis colorspacious; then
        return
    fi
    listed=tests/versions/$1.txt folder=.venv-$1
    shift 2
    echo "$listed: $("$folder/bin/python" --version), $(grep -c == "$listed") versions pinned"
    "$folder/bin/python" -m pytest --nbval --nbval-cell-timeout=120 -p no:cacheprovider -q \
        -n 2 --dist=loadfile notebooks/*.ipynb
    "$folder/bin/python" -m pytest -q -n 2 --dist=loadfile -p no:cacheprovider -W ignore "$@"
}

# What depends on the versions most: drawing, widgets, and the numbers themselves. Colab's lie
# between the oldest and the newest; its own are the widgets and how the series gets there.
case ${1:-} in
    oldest)
        check oldest "3.10 3.11" tests/test_figures.py tests/test_explorers.py \
            tests/test_updates.py tests/test_approximation.py tests/test_training.py \
            tests/test_language_model.py tests/test_truncation.py tests/test_small_model.py \
            tests/test_adapters_spectra.py
        ;;
    colab)
        check colab 3.13 tests/test_bootstrap.py
        made ipywidgets7 "3.12 3.11 3.10" || true
        ;;
    *)
        echo "the set must be oldest or colab, got '${1:-}'" >&2
        exit 2
        ;;
esac
