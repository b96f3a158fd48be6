#!/bin/sh
# Does it hold under other versions? Each set has its own environment, made once.
#
#   tools/versions.sh oldest    the oldest versions that requirements.txt admits
#   tools/versions.sh colab     Google Colab's, and a front end that speaks its ipywidgets
#   tools/versions.sh environments    nothing but the environments of both
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
    if "$python" -m venv --clear --upgrade-deps "$folder" && "$folder/bin/python" -m pip install \
        --quiet --disable-pip-version-check -r "$listed" "$@"; then
        touch "$folder/.made"
    else
        rm -rf "$folder"
        echo "skipped $name: its packages could not be installed; is there a network?"
        return 1
    fi
}

# What each set needs; the last is a front end for the one before it.
testing="safetensors nbval pytest pytest-xdist hypothesis colorspacious"
# shellcheck disable=SC2086
made_oldest() { made oldest "3.10 3.11" $testing; }
# shellcheck disable=SC2086
made_colab() { made colab 3.13 $testing; }
made_ipywidgets7() { made ipywidgets7 "3.12 3.11 3.10"; }

check() { # name, kernel of OpenBLAS, unit tests
    if ! "made_$1"; then
        return
    fi
    listed=tests/versions/$1.txt folder=.venv-$1 core=$2
    shift 2
    echo "$listed: $("$folder/bin/python" --version), $(grep -c == "$listed") versions pinned, $core"
    OPENBLAS_CORETYPE=$core "$folder/bin/python" -m pytest --nbval --nbval-cell-timeout=120 \
        -p no:cacheprovider -q -n 2 --dist=loadfile notebooks/*.ipynb
    "$folder/bin/python" -m pytest -q -n 2 --dist=loadfile -p no:cacheprovider -W ignore "$@"
}

# What depends on the versions most: drawing and widgets; the numbers are in the notebooks. Each
# set takes another kernel of OpenBLAS along, so that stored outputs are held under three.
case ${1:-} in
    oldest)
        check oldest Nehalem tests/figures/test_figures.py tests/test_explorers.py
        ;;
    colab)
        check colab Haswell tests/tools/test_bootstrap.py
        made_ipywidgets7 || true
        ;;
    environments)
        for name in oldest colab ipywidgets7; do "made_$name" || true; done
        ;;
    *)
        echo "the set must be oldest, colab or environments, got '${1:-}'" >&2
        exit 2
        ;;
esac
