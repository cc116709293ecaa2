#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""bench-report.py FILE: checks one benchmark's JSON and prints it, a line a result."""
import json
import sys

KEYS = ("name", "ours", "peer", "unit", "ratio", "how")


def number(value):
    return "-" if value is None else f"{value:.4g}"


def main():
    try:
        with open(sys.argv[1], encoding="utf-8") as file:
            results = json.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"  {error}")
    results = results if isinstance(results, list) else [results]
    for result in results:
        missing = [key for key in KEYS if key not in result]
        if missing:
            sys.exit(f"  {sys.argv[1]}: a result lacks {', '.join(missing)}")
        print(f"  {result['name']}: {number(result['ours'])} {result['unit']}, peer {number(result['peer'])},"
              f" ratio {number(result['ratio'])} ({result['how']})")
    if not results:
        sys.exit(f"  {sys.argv[1]}: no results")


main()
