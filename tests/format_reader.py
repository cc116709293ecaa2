#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the rules of a slice as `cxltab dump-flows SLICE --no-stats` does: format_reader.py SLICE.
Written from docs/format.md and docs/concurrency.md, "What a reader does", alone: not one line of C was looked at, so
that it fails where the document and the code differ. The syntax is in format_reader_rules.py; the two are all of it."""
import collections
import mmap
import os
import struct
import sys
import time
from format_reader_rules import flow_text

M32, M64 = (1 << 32) - 1, (1 << 64) - 1
Tuple = collections.namedtuple("Tuple", "at id secret idx mask n_val sparse")
Rule = collections.namedtuple("Rule", "tup at seq prio cookie since until key prog")

class Wrong(Exception):
    """The slice isn't what the document says."""

class Again(Exception):
    """Something moved, or looks as if it had; what is still there after enough tries is Wrong."""

def steady(attempt, *args, tries=8):
    """The result of the first attempt during which nothing moved"""
    for turn in range(tries):
        try:
            return attempt(*args)
        except Again:
            if turn == tries - 1:
                raise
            time.sleep(0.001 if turn > 8 else 0)

class Slice:
    def __init__(self, path, device=False):
        size = os.stat(path).st_size
        if size < 64 * 10 or size % 64:
            raise Wrong(f"size: {size} bytes are no slice")
        with open(path, "rb") as file:
            self.w = memoryview(mmap.mmap(file.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ)).cast("Q")
        head = bytes(self.w[:24])
        (magic, order, major, _, incompat, _, _, n_lines, dev_lines, directory, _, _, ident, checksum) = \
            struct.unpack("<QIHHIIIIIIIIQQ", head[:64])
        (self.control, secrets, self.tables, self.n_tables, self.exacts, self.n_exacts, intents, n_intents, chunks,
         n_chunks, chunk0, self.chg_log2, max_tuples, self.budget) = struct.unpack("<14I", head[64:120])
        self.profile = struct.unpack("<QQ", head[136:152]) if device else None
        self.end, self.max_tuples, self.n_lines, self.lines = dev_lines if device else n_lines, max_tuples, n_lines, 0
        data = bytes(self.w[secrets * 8:secrets * 8 + 24]).ljust(192, b"\0")
        self.secrets, h = struct.unpack("<24Q", data), 0xcbf29ce484222325
        for byte in head[:56] + head[64:] + data:
            h = (h ^ byte) * 0x100000001b3 & M64
        for what, right in (
                ("magic", magic == 0x01316261746c7863), ("byte_order", order == 0x01020304), ("major", major == 1),
                ("feat_incompat", incompat == 1), ("n_lines", n_lines == size // 64),
                ("dev_lines", dev_lines <= n_lines), ("dir", directory == 1), ("id", ident != 0),
                ("secrets", 0 < secrets <= dev_lines - 3), ("checksum", h == checksum),
                ("control", 0 < self.control <= dev_lines - 4), ("n_tables", 1 <= self.n_tables <= 255),
                ("tables", 0 < self.tables <= dev_lines - 2 * self.n_tables), ("n_exacts", self.n_exacts >= 1),
                ("exacts", 0 < self.exacts <= dev_lines - self.n_exacts), ("n_intents", n_intents == 256),
                ("intents", 0 < intents <= dev_lines - n_intents), ("chunks", 0 < chunks <= dev_lines - n_chunks),
                ("chunk0", chunks + n_chunks <= chunk0 <= n_lines - 256 * n_chunks),
                ("chg_log2", 3 <= self.chg_log2 <= 13), ("max_tuples", 1 <= max_tuples <= 1024),
                ("work_budget", 1 <= self.budget <= 65536)):
            if not right:
                raise Wrong(f"header or directory: {what} is wrong")

    def at(self, ref, lines, charge=None):
        """Index of the first word, after the bounds check; the work is charged."""
        if not 0 < ref <= ref + lines <= self.end:
            raise Again(f"ref {ref:#x}, {lines} lines: bounds")
        self.lines += lines if charge is None else charge
        return ref * 8

    def tuple_at(self, ref, kind):
        w, at = self.w, self.at(ref, 5)
        ids, extra = w[at + 3], (w[at + 7] & 255, w[at + 7] >> 32 if kind == 2 else 0)
        n, idx = ids >> 32 & 255, bytes(w[at + 4:at + 7])
        tup = Tuple(at, ids & M32, w[at + 2], tuple(idx[:n]), w[at + 16:at + 16 + min(n, 24)].tolist(), *extra)
        if n > 24 or ids >> 40 & 255 != kind or kind == 1 and any(i > 17 for i in tup.idx):
            raise Again(f"tuple {ref:#x} is none of kind {kind}")
        return tup

    def chain(self, ref, tup, key, version=None):
        """Copies of a rule with this masked key (None: any) and of those behind it, up to the one that is visible in
        version; None if it has another key."""
        w, rules = self.w, []
        while ref:
            at = self.at(ref, 1)
            seq, ids, cookie, since, until, links = w[at:at + 6]
            n_key, n_prog, prio = ids >> 48 & 255, ids >> 56, ids >> 32 & 0xffff
            if seq & 1 or n_key != len(tup.idx) or n_prog > 96 or ids & M32 != tup.id:
                raise Again(f"rule {ref:#x} isn't of tuple {tup.id}")
            self.at(ref, 1 + (n_key + n_prog + 7) // 8, (n_key + n_prog + 7) // 8)
            body = w[at + 8:at + 8 + n_key + n_prog].tolist()
            other = key is not None and tuple(body[:n_key]) != key
            if w[at] != seq:
                raise Again(f"rule {ref:#x} moved")
            if other and not rules:
                return None
            rules.append(Rule(tup, at, seq, prio, cookie, since, until, tuple(body[:n_key]), body[n_key:]))
            if other or len(rules) > 32 or len(rules) > 1 and prio >= rules[-2].prio:
                raise Again(f"rule {ref:#x} doesn't belong into its chain")
            key, ref = rules[0].key, links & M32
            if version is not None and since <= version < until:
                break
        if any(w[rule.at] != rule.seq for rule in rules):
            raise Again("chain moved")
        return rules

    def list_of(self, word):
        """(tuple ref, highest priority, flags) in the order of a list"""
        ref, count = word & M32, word >> 32 & 0xffff
        if count > self.max_tuples:
            raise Again(f"list: {count} tuples")
        at = self.at(ref, (count + 7) // 8) if count else 0
        return [(e & M32, e >> 32 & 0xffff, e >> 48) for e in self.w[at:at + count].tolist()]

    def rules_of(self, tup):
        """All rules of a tuple. Buckets that moved meanwhile are read again, so an entry that stands all the time is
        found wherever it is displaced to. Under a writer that never rests it gives up."""
        w, geo, found, seen = self.w, self.w[tup.at], {}, {}
        first, moved = self.at(geo & M32, 1 << (geo >> 32 & 63)), range(1 << (geo >> 32 & 63))
        for turn in range(100):
            for b in moved:
                seen[b] = bytes(w[first + 8 * b:first + 8 * b + 8])
                for i, slot in enumerate(struct.unpack("<7Q", seen[b][:56])):
                    for rule in slot and steady(self.slot, first + 8 * b + i, slot, tup) or ():
                        found[rule.key, rule.prio, rule.since] = rule
            moved = [b for b in seen if seen[b] != bytes(w[first + 8 * b:first + 8 * b + 8])]
            if w[tup.at] != geo or geo >> 38 & 1:
                raise Again("geo moved")
            if not moved:
                break
            time.sleep(0.001 * (turn > 3))
        return list(found.values())

    def slot(self, at, slot, tup):
        """The chain that a slot refers to, None if the slot has moved"""
        chain = self.chain(slot & M32, tup, None) if self.w[at] == slot else None
        return chain if self.w[at] == slot else None

    def dump(self, table):
        """Rules that can be seen, one try. One that stands all the time is there; the whole is no snapshot."""
        at, rules = self.at(self.tables + 2 * table, 2), []
        word, version = self.w[at], self.w[self.control * 8]
        for ref, most, flags in self.list_of(word):
            for rule in () if flags & 2 else self.rules_of(self.tuple_at(ref, 1)):
                if rule.prio > most:
                    raise Again(f"table {table}: priority {rule.prio} is above {most}")
                rules += [rule] * (rule.since <= version < rule.until)
        if self.w[at] != word or self.w[self.control * 8 + 1] > version:
            raise Again(f"table {table} moved")
        return rules

if __name__ == "__main__":
    try:
        tables = Slice(sys.argv[1])
        for number in range(tables.n_tables):
            for flow in steady(tables.dump, number, tries=400):
                print(flow_text(number, flow))
    except (Wrong, Again, OSError) as wrong:
        sys.exit(f"{sys.argv[0]}: {wrong}")
