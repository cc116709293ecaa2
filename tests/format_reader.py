#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a slice. Written from docs/format.md and docs/concurrency.md, "What a reader does", alone: not one line of C
was looked at, so that it fails where the document and the code differ. Programs and syntax: format_reader_rules.py.

  format_reader.py dump SLICE                     rules, as `cxltab dump-flows SLICE --no-stats` prints them
  format_reader.py lookup [--device] SLICE [KEY]  of each key (18 words in hex; or lines from stdin) table and cookie of
                                                  the last winner; or "miss", "punt", beside a writer "unstable"
  format_reader.py exact SLICE NAME [KEY]         the words of the value, or "miss"
"""
import collections
import mmap
import os
import struct
import sys
import time

from format_reader_rules import Again, Punt, Wrong, flow_text, run, steady

M32, M64 = (1 << 32) - 1, (1 << 64) - 1


def finish(h):
    h = (((h & M64) ^ (h & M64) >> 32) * 0x0e9846af9b1a615d) & M64
    h = ((h ^ h >> 29) * 0x9e3779b97f4a7c15) & M64
    return h ^ h >> 32


def place(h, buckets):
    b1, tag = h & (buckets - 1) & M32, h >> 33
    x = tag * 0x9e3779b1 & M32
    return b1, tag, (b1 ^ ((x ^ x >> 15) | 1)) & (buckets - 1)


Tuple = collections.namedtuple("Tuple", "at id secret idx mask n_val")
Rule = collections.namedtuple("Rule", "tup at seq prio cookie since until key prog")


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
                ("feat_incompat", incompat == 0), ("n_lines", n_lines == size // 64),
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
            raise Punt if self.profile and 0 < ref <= ref + lines <= self.n_lines else Again(f"ref {ref:#x}: bounds")
        self.lines += lines if charge is None else charge
        return ref * 8

    def tuple_at(self, ref, kind):
        w, at = self.w, self.at(ref, 5)
        ids, flags = w[at + 3], w[at + 7]
        n, idx = ids >> 32 & 255, bytes(w[at + 4:at + 7])
        tup = Tuple(at, ids & M32, w[at + 2], tuple(idx[:n]), w[at + 16:at + 16 + min(n, 24)].tolist(), flags & 255)
        if n > 24 or ids >> 40 & 255 != kind or kind == 1 and any(i > 17 for i in tup.idx):
            raise Again(f"tuple {ref:#x} is none of kind {kind}")
        return tup

    def find(self, tup, key, take):
        """One tuple, one try: what take(ref of an entry with this tag) returns; None if that has another key."""
        w, geo, metas = self.w, self.w[tup.at], []
        for array in [w[tup.at + 1], geo] if geo >> 38 & 1 else [geo]:
            buckets = 1 << (array >> 32 & 63)
            b1, tag, b2 = place(self.hash(tup.secret, tup.idx, key), buckets)
            first = self.at(array & M32, buckets, 0)
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

    def list_of(self, word):
        """(tuple ref, highest priority, flags) in the order of a list"""
        ref, count = word & M32, word >> 32 & 0xffff
        if count > self.max_tuples:
            raise Again(f"list: {count} tuples")
        at = self.at(ref, (count + 7) // 8) if count else 0
        return [(e & M32, e >> 32 & 0xffff, e >> 48) for e in self.w[at:at + count].tolist()]

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
                return steady(self.find, tup, key, lambda ref: self.value(ref, tup, key))
        raise Wrong(f"no exact table {name}")

    def value(self, ref, tup, key):
        at = self.at(ref, (2 + len(key) + tup.n_val + 7) // 8)
        seq, ids, *body = self.w[at:at + 2 + len(key) + tup.n_val]
        if seq & 1 or ids & 0xffffffffffff != tup.id | len(key) << 32 | tup.n_val << 40 or self.w[at] != seq:
            raise Again(f"entry {ref:#x} isn't of tuple {tup.id}")
        return body[len(key):] if body[:len(key)] == key else None

    def rules_of(self, tup):
        """All rules of a tuple, each where its hash says. Buckets that moved meanwhile are read again, so an entry that
        stands all the time is found wherever it is displaced to. Under a writer that never rests it gives up."""
        w, geo, found, seen, homes = self.w, self.w[tup.at], {}, {}, {}
        buckets = 1 << (geo >> 32 & 63)
        first, moved = self.at(geo & M32, buckets), range(buckets)
        for turn in range(100):
            for b in moved:
                seen[b], homes[b] = bytes(w[first + 8 * b:first + 8 * b + 8]), []
                for i, slot in enumerate(struct.unpack("<7Q", seen[b][:56])):
                    chain = slot and steady(self.slot, first + 8 * b + i, slot, tup)
                    if chain:
                        b1, tag, b2 = place(self.hash(tup.secret, tup.idx, chain[0].key), buckets)
                        if (b2 if slot >> 32 & 1 else b1, tag) != (b, slot >> 33) and w[tup.at] == geo:
                            raise Wrong(f"tuple {tup.id}: bucket {b} has an entry of buckets {b1}, {b2}")
                        homes[b] += [(b1, tag & 7)] * (slot >> 32 & 1)
                        found.update(((rule.key, rule.prio, rule.since), rule) for rule in chain)
            moved = [b for b in range(buckets) if seen[b] != bytes(w[first + 8 * b:first + 8 * b + 8])]
            if w[tup.at] != geo or geo >> 38 & 1:
                raise Again("geo moved")
            if not moved:
                break
            time.sleep(0.001 * (turn > 3))
        away = collections.Counter(home for there in homes.values() for home in there)
        for b, c in () if moved else ((b, c) for b in seen for c in range(8)):
            if int.from_bytes(seen[b][56:59], "little") >> 3 * c & 7 not in (away[b, c], 7):
                raise Wrong(f"tuple {tup.id}: counter {c} of bucket {b} isn't {away[b, c]}")
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


def main(mode, path, *args):
    tables, keys = Slice(path, "--device" in sys.argv), list(args)
    for table in range(tables.n_tables if mode == "dump" else 0):
        for rule in steady(tables.dump, table, tries=400):
            print(flow_text(table, rule))
    name = keys.pop(0) if mode == "exact" else None
    for line in () if mode == "dump" else [" ".join(keys)] if keys else sys.stdin:
        key = [int(word, 16) for word in line.split()]
        value = tables.exact(name, key) if name else None
        print(*[f"{word:x}" for word in value] if value else ["miss"] if name else steady(tables.walk, key))


if __name__ == "__main__":
    try:
        main(*(arg for arg in sys.argv[1:] if arg != "--device"))
    except (Wrong, Again, OSError) as wrong:
        sys.exit(f"{sys.argv[0]}: {wrong}")
