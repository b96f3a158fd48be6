"""Check the claims, write the table, or list what is not bound."""

from __future__ import annotations

import argparse
import sys

from . import bound, detect, findings, judged, text


def counted() -> str:
    """How many sentences are bound, excepted and neither, by text."""
    lines = [f"{'text':14}{'bound':>7}{'excepted':>10}{'not bound':>11}"]
    total = [0, 0, 0]
    for where in text.texts():
        passages = [each for each in text.passages(where) if detect.signs(each.words)]
        open_ = {each.words for each in detect.unbound(where, detect.covering(where), passages)}
        by_result = detect.covering(where, excepted=False)
        bare = {each.words for each in detect.unbound(where, by_result, passages)}
        row = [
            sum(each.words not in bare for each in passages),
            sum(each.words in bare - open_ for each in passages),
            sum(each.words in open_ for each in passages),
        ]
        total = [a + b for a, b in zip(total, row)]
        lines.append(f"{where:14}{row[0]:>7}{row[1]:>10}{row[2]:>11}")
    return "\n".join([*lines, f"{'all':14}{total[0]:>7}{total[1]:>10}{total[2]:>11}"])


def main(arguments: list[str] | None = None) -> int:
    """Check the claims, write the table, or list what is not bound."""
    parser = argparse.ArgumentParser(prog="python -m tools.claims", description=__doc__)
    verbs = ("check", "write", "detect", "count")
    parser.add_argument("verb", nargs="?", choices=verbs, default="check")
    parser.add_argument("texts", nargs="*", help="for detect: README, 03, the_article, ...")
    options = parser.parse_args(arguments)
    if options.verb == "detect":
        for where in options.texts or text.texts():
            for each in detect.unbound(where, detect.covering(where)):
                print(f"{where} {each.cell} [{' '.join(each.signs)}] {each.words}")
        return 0
    if options.verb == "count":
        print(counted())
        return 0
    claims, files = findings.read(), bound.read()
    if options.verb == "write":
        findings.TABLE.write_text(findings.render(claims), encoding="utf-8")
        return 0
    found = findings.problems(claims)
    for file in files.values():
        found += judged.problems(file)
    more = sum(len(file.entries) for file in files.values())
    print("\n".join(found) or f"{len(claims)} claims and {more} bound sentences stand")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
