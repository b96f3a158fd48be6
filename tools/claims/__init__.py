"""What our texts claim, held to helpers and shipped results.

    python -m tools.claims                    what is missing or no longer true
    python -m tools.claims write              notebooks/appendix/claims.md, from the folder claims
    python -m tools.claims detect [TEXT ...]  sentences that nothing binds, by text: README, 03, ...

`findings.py` has the claims that the table lists; `bound.py` binds any other sentence, and says
how that is written; `judged.py` says which is not true; `detect.py` finds those that should be
bound and are not.
"""
