#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Looks up packets and keys in a slice; from the documents alone, as format_reader.py, on which it builds.

  format_reader_lookup.py lookup [--device] SLICE [KEY]  of each key (18 words in hex; or lines from stdin) table and
                                                         cookie of the last winner; or "miss", "punt", beside a writer
                                                         "unstable"
  format_reader_lookup.py exact SLICE NAME [KEY]         the words of the value, or "miss"
  format_reader_lookup.py check SLICE                    are all rules where their hashes say, and counted there?
"""
import collections
import sys
import time

import format_reader
from format_reader import M32, M64, Again, Wrong, steady


class Punt(Exception):
    """The device can't tell: the host decides."""


def finish(h):
    h = (((h & M64) ^ (h & M64) >> 32) * 0x0e9846af9b1a615d) & M64
    h = ((h ^ h >> 29) * 0x9e3779b97f4a7c15) & M64
    return h ^ h >> 32


def place(h, mask):
    b1, tag = h & mask & M32, h >> 33
    x = tag * 0x9e3779b1 & M32
    return b1, tag, (b1 ^ ((x ^ x >> 15) | 1)) & mask


class Slice(format_reader.Slice):
    def at(self, ref, lines, charge=None):
        if self.profile and 0 < ref <= ref + lines <= self.n_lines and ref + lines > self.end:
            raise Punt
        return super().at(ref, lines, charge)

    def find(self, tup, key, take):
        """One tuple, one try: what take(ref of an entry with this tag) returns; None if that has another key."""
        w, geo, metas = self.w, self.w[tup.at], []
        for array in [w[tup.at + 1], geo] if geo >> 38 & 1 else [geo]:
            mask = tup.sparse or (1 << (array >> 32 & 63)) - 1
            b1, tag, b2 = place(self.hash(tup.secret, tup.idx, key), mask)
            first = self.at(array & M32, mask + 1, 0)
            for b, secondary in (b1, 0), (b2, 1):
                at = self.at(first // 8 + b, 1)
                meta = w[at + 7]
                metas.append((at + 7, meta >> 32))
                for i in range(at, at + 7):
                    slot = w[i]
                    if slot & M32 and slot >> 32 == tag << 1 | secondary:
                        got = take(slot & M32)
                        if w[i] != slot or w[tup.at] != geo:
                            raise Again("slot moved")
                        if got is not None:
                            return got
                if not secondary and not meta >> 3 * (tag & 7) & 7:
                    break
        if w[tup.at] != geo or any(w[at] >> 32 != sequence for at, sequence in metas):
            raise Again("bucket moved")

    def change_sum(self, table, key):
        w, at = self.w, self.at(self.tables + 2 * table, 1)
        total, dims = w[at + 1], w[at + 4] & M32
        chg = [w[at + 2] & M32, w[at + 2] >> 32, w[at + 3] & M32, w[at + 3] >> 32]
        words = [((0, 2, 1), (key[0] >> 8, key[2] >> 32, key[1])), ((7,), (key[1] >> 8 & 0xffffff,)),
                 ((9,), (key[1] >> 40,)), ((11,), (key[3] >> 16,))]
        if key[0] >> 16 & 0xffff == 0x86dd:
            words[:3] = ((0, 2, 3, 4, 5, 6), (*words[0][1][:2], *key[5:9])), ((8,), key[7:8]), ((10,), key[5:6])
        for d in range(4):
            if dims >> (d + 1) & 1:
                first = self.at(chg[d], (1 << self.chg_log2) // 8, 1)
                total += w[first + (self.hash(d + 1, *words[d]) >> 32 & ((1 << self.chg_log2) - 1))]
        return total & M64

    def hash(self, h, numbers, words):
        for k, word in zip((self.secrets[i] for i in numbers), words):
            h += ((word + k) & M32) * (((word >> 32) + (k >> 32)) & M32)
        return finish(h)

    def search(self, table, key, version):
        """The winner of a table or None; whether the table moved is for the caller to see."""
        at, best = self.at(self.tables + 2 * table, 2), None
        for ref, most, flags in self.list_of(self.w[at]):
            if best and best.prio >= most:
                break
            if flags & (1 if self.profile else 2):
                continue
            tup = self.tuple_at(ref, 1)
            masked = tuple(key[i] & m for i, m in zip(tup.idx, tup.mask))
            rules = steady(self.find, tup, masked, lambda ref, t=tup, k=masked: self.chain(ref, t, k, version))
            last = rules and rules[-1]
            if last and last.since <= version < last.until and not (best and best.prio >= last.prio):
                best = last
        if self.profile and (not best or self.w[at + 4] >> 32 > best.prio):
            raise Punt
        return best

    def classify(self, table, key, version):
        """One table, one try"""
        at, since, error, best = self.at(self.tables + 2 * table, 2), time.monotonic(), None, None
        word, total = self.w[at], self.change_sum(table, key)
        try:
            best = self.search(table, key, version)
        except (Again, Punt) as thrown:
            error = thrown
        if self.w[at] != word or self.change_sum(table, key) != total or time.monotonic() - since > 1:
            raise Again(f"table {table} moved")
        if error:
            raise error
        return best

    def walk(self, key):
        """A packet, one try: table and cookie of the last winner. No effect but that on the key is shown."""
        version, table, words, self.lines = self.w[self.control * 8], 0, list(key), 0
        try:
            while True:
                winner = steady(self.classify, table, words, version)
                following = run(winner, words, self.profile) if winner else None
                if following is None:
                    break
                if not table < following < self.n_tables:
                    raise Wrong(f"table {table}: goto_table {following}")
                table = following
            result = "unstable" if self.lines > self.budget else winner.cookie if winner else "miss"
        except (Punt, Again) as thrown:
            result = "punt" if isinstance(thrown, Punt) else "unstable"
        if self.w[self.control * 8 + 1] > version:
            raise Again("version: too old")
        return table, result

    def exact(self, name, key):
        for i in range(self.n_exacts):
            at = self.at(self.exacts + i, 1)
            ref, text = self.w[at] & M32, bytes(self.w[at + 1:at + 4])
            if ref and text.rstrip(b"\0").decode() == name:
                tup = self.tuple_at(ref, 2)
                if len(key) != len(tup.idx):
                    raise Wrong(f"{name}: a key has {len(tup.idx)} words")
                return steady(self.entry, tup, key)
        raise Wrong(f"no exact table {name}")

    def entry(self, tup, key):
        """The value of a key in an exact table, one try: the sequence stands still while the slot is looked at."""
        ref, seq, value = self.find(tup, key, lambda ref: self.value(ref, tup, key)) or (0, 0, None)
        if ref and self.w[ref * 4] != seq:
            raise Again(f"entry {ref:#x} moved")
        return value

    def value(self, ref, tup, key):
        """Of the entry at cell `ref`, unless that has another key: ref, sequence and value."""
        at, n = ref * 4, 1 + len(key) + tup.n_val
        self.at(ref // 2, (ref % 2 * 4 + n + 7) // 8)
        seq, *body = self.w[at:at + n]
        if seq & 1:
            raise Again(f"entry {ref:#x} is being filled")
        return (ref, seq, body[len(key):]) if tuple(body[:len(key)]) == tuple(key) else None

    def check(self, table):
        """Rules where their hashes say, and counters of those in their second buckets; while no writer works."""
        for ref, _, _ in self.list_of(self.w[self.at(self.tables + 2 * table, 2)]):
            tup = self.tuple_at(ref, 1)
            geo, away = self.w[tup.at], collections.Counter()
            buckets = 1 << (geo >> 32 & 63)
            first = self.at(geo & M32, buckets)
            for b in range(buckets):
                for slot in filter(None, self.w[first + 8 * b:first + 8 * b + 7]):
                    key = self.chain(slot & M32, tup, None)[0].key
                    b1, tag, b2 = place(self.hash(tup.secret, tup.idx, key), buckets - 1)
                    if (b2 if slot >> 32 & 1 else b1, tag) != (b, slot >> 33):
                        raise Wrong(f"tuple {tup.id}: bucket {b} has an entry of buckets {b1}, {b2}")
                    away[b1, tag & 7] += slot >> 32 & 1
            for b, c in ((b, c) for b in range(buckets) for c in range(8)):
                if self.w[first + 8 * b + 7] >> 3 * c & 7 not in (away[b, c], 7):
                    raise Wrong(f"tuple {tup.id}: counter {c} of bucket {b} isn't {away[b, c]}")


def run(rule, words, profile):
    """What a program does to the key, and the table it goes to or None. profile: of a device"""
    i = 0
    while i < len(rule.prog):
        word = rule.prog[i]
        op, aux, i = word >> 56, word >> 32 & 0xffff, i + 1
        if profile and (op == 7 and not profile[0] >> (word >> 48 & 255) & 1 or not profile[1] >> op & 1):
            raise Punt
        if op == 7:
            value, mask = rule.prog[i:i + 2]
            words[aux], i = words[aux] & ~mask | value & mask, i + 2
        elif op == 8:
            if words[4] & 0x1000:
                if profile:
                    raise Punt
                return None
            for outer, inner, new in (3, 4, words[3] & 0xffff | 0x1000), (16, 17, aux):
                words[inner] = words[inner] & ~0xffff | words[outer] & 0xffff
                words[outer] = words[outer] & ~0xffff | new
        elif op == 9:
            for outer, inner in (3, 4), (16, 17):
                words[outer] = words[outer] & ~0xffff | words[inner] & 0xffff
                words[inner] &= ~0xffff
        elif op == 10:
            if words[2] & 255 <= 1:
                return None
            words[2] -= 1
        elif op == 11:
            return word & 0xffffffff
        elif op == 12:
            raise Punt
        elif not 1 <= op <= 6:
            raise Wrong(f"no op {op}")
    return None


def main(mode, path, *args):
    tables, keys = Slice(path, "--device" in sys.argv), list(args)
    for table in range(tables.n_tables if mode == "check" else 0):
        tables.check(table)
    name = keys.pop(0) if mode == "exact" else None
    for line in () if mode == "check" else [" ".join(keys)] if keys else sys.stdin:
        key = [int(word, 16) for word in line.split()]
        value = tables.exact(name, key) if name else None
        print(*[f"{word:x}" for word in value] if value else ["miss"] if name else steady(tables.walk, key))


if __name__ == "__main__":
    try:
        main(*(arg for arg in sys.argv[1:] if arg != "--device"))
    except (Wrong, Again, OSError) as wrong:
        sys.exit(f"{sys.argv[0]}: {wrong}")
