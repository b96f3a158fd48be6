"""Plant faults, and say which of them no test noticed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence

from ..project import ROOT
from . import faults, generated, running

RESULTS = ROOT / "build" / "mutants.json"


def results() -> dict[str, dict[str, object]]:
    """What came out so far, by a fault's key."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}


def _keep(found: dict[str, dict[str, object]]) -> None:
    """Write the results, so that a kill leaves the old or the new ones, whole."""
    RESULTS.parent.mkdir(exist_ok=True)
    draft = RESULTS.with_name(f"{RESULTS.name}.{os.getpid()}")
    draft.write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
    draft.replace(RESULTS)


def _chosen(every: Sequence[faults.Fault], words: Sequence[str]) -> list[faults.Fault]:
    if not words:
        return list(every)
    return [
        fault for number, fault in enumerate(every)
        if {str(number), fault.kind, fault.file, fault.key} & set(words)
        or any(word in fault.file for word in words if "/" in word or "." in word)
    ]  # fmt: skip


def _done(fault: faults.Fault) -> bool:
    """Whether it was caught or survived; what was stopped is tried again."""
    return results().get(fault.key, {}).get("verdict") in ("caught", "survived")


def run(
    chosen: Sequence[faults.Fault], anew: bool, trusted: bool = False
) -> dict[str, dict[str, object]]:
    """Plant each fault that has no result; first the same tests are run on a tree without one.

    That is left out where they are trusted to be green.
    """
    left = [fault for fault in chosen if anew or not _done(fault)]
    left.sort(key=lambda fault: fault.key)  # a hash: what ran before a stop is a fair sample
    running.load_ahead()
    sound: dict[tuple[str, ...], running.Outcome] = {}
    with running.copied() as root:
        for number, fault in enumerate(left, 1):
            if not anew and _done(fault):
                continue  # by a run beside this one
            if trusted:
                sound[fault.tests] = running.Outcome("survived", "", 0.0)
            elif fault.tests not in sound:
                sound[fault.tests] = running.tried(fault.tests, root)
            if sound[fault.tests].verdict != "survived":
                outcome = sound[fault.tests]
                outcome = running.Outcome("stopped", f"red without it: {outcome.by}", 0.0)
            elif faults.stale([fault], root):
                outcome = running.Outcome("stopped", "its words are gone", 0.0)
            else:
                outcome = running.run(fault, root)
            said = f"{outcome.verdict} {outcome.seconds:.1f} s {fault} {outcome.by}"
            print(f"{number}/{len(left)} {said}", flush=True)
            found = {**results(), fault.key: {**faults.described(fault), **vars(outcome)}}
            _keep(found)
    return results()


def report(every: Sequence[faults.Fault], found: dict[str, dict[str, object]]) -> list[str]:
    """Counts by kind, and each survivor; a fault that may survive is expected to."""
    lines: list[str] = []
    verdicts: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {}
    for fault in every:
        verdict = str(found.get(fault.key, {}).get("verdict", "not run"))
        if verdict == "survived" and fault.survives:
            verdict = "survived, with a reason"
        verdicts[verdict] += 1
        kinds.setdefault(fault.kind, Counter())[verdict] += 1
        if verdict in ("survived", "stopped"):
            lines.append(f"{verdict}: {fault} {found[fault.key]['by']}")
    head = [f"{kind}: {dict(sorted(counts.items()))}" for kind, counts in sorted(kinds.items())]
    return [*head, f"{len(every)} faults: {dict(sorted(verdicts.items()))}", *lines]


def main(arguments: list[str] | None = None) -> int:
    """Plant faults; 1 if one survived that no reason is written for."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    verbs = ("run", "sample", "report", "generated")
    parser.add_argument("verb", nargs="?", choices=verbs, default="run")
    parser.add_argument("words", nargs="*", help="kinds, files or numbers; for generated: modules")
    parser.add_argument("--trust", action="store_true", help="the tests are green without a fault")
    parser.add_argument("--size", type=int, help="for generated: of each module, so many mutants")
    parser.add_argument("--anew", action="store_true", help="also those that have a result")
    options = parser.parse_intermixed_args(arguments)
    if options.verb == "generated":
        return generated.run(options.words, options.size)
    every = faults.read()
    chosen = _chosen(every, options.words)
    if options.verb == "sample":
        chosen = [fault for fault in every if fault.sample]
    found = results() if options.verb == "report" else run(chosen, options.anew, options.trust)
    print("\n".join(report(chosen, found)))
    return int(any(
        found.get(fault.key, {}).get("verdict") in ("survived", "stopped") and not fault.survives
        for fault in chosen
    ))  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
