"""Planted faults: does a test turn red, and does its name say what broke?

    python -m tools.mutants                    all faults that have no result yet; survivors last
    python -m tools.mutants run legend README  those of a kind, of a file, or by number
    python -m tools.mutants sample             twenty that CI plants
    python -m tools.mutants report             what came out so far
    python -m tools.mutants generated [--size N] [MODULE ...]   mutmut over modules of helpers

`tests/mutants/*.toml` lists them: a file, words in it, the words in their place, and the tests
that should notice. A copy of the tree gets one fault at a time. Results are kept in
build/mutants.json, so a run that was stopped goes on; a fault that was changed runs anew.
"""
