#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Breaks one rule of the protocol at a time, in a copy of the library, and expects the model to
notice: mutants.py CC BUILD_DIR [NAME...].  A mutant that survives, or whose text no longer
matches the source, is a failure."""
import concurrent.futures
import os
import shutil
import subprocess
import sys

SRC = "libcxltab/src/"
INC = "libcxltab/include/cxltab/"

# name, file, text (must occur once), replacement, scenarios to run
MUTANTS = [
    ("move-clears-first", SRC + "hashtab.c",
     "cxlt_store_release(&array[b].slot[j], w ^ 1ULL << 32);\n\tmeta_event(&array[a]);\n"
     "\tmeta_event(&array[b]);\n\tcxlt_store_release(&array[a].slot[i], 0);",
     "cxlt_store_release(&array[a].slot[i], 0);\n\tmeta_event(&array[a]);\n"
     "\tmeta_event(&array[b]);\n\tcxlt_store_release(&array[b].slot[j], w ^ 1ULL << 32);",
     ["displace"]),
    ("move-no-event", SRC + "hashtab.c",
     "\tmeta_event(&array[a]);\n\tmeta_event(&array[b]);\n", "", ["displace"]),
    ("move-event-in-old-bucket-missing", SRC + "hashtab.c",
     "\tmeta_event(&array[a]);\n", "", ["displace"]),
    ("move-counter-late", SRC + "hashtab.c",
     "\tif (!was_second)\n\t\tmeta_count(home, tag, 1);\n\tcxlt_store_release(&array[b].slot[j], "
     "w ^ 1ULL << 32);\n\tmeta_event(&array[a]);\n\tmeta_event(&array[b]);\n"
     "\tcxlt_store_release(&array[a].slot[i], 0);",
     "\tcxlt_store_release(&array[b].slot[j], w ^ 1ULL << 32);\n\tmeta_event(&array[a]);\n"
     "\tmeta_event(&array[b]);\n\tcxlt_store_release(&array[a].slot[i], 0);\n"
     "\tif (!was_second)\n\t\tmeta_count(home, tag, 1);", ["displace"]),
    ("straight-miss-not-validated", INC + "exact_reader.h",
     "return CXLT_META_SEQ(cxlt_load(&b->meta)) ^ CXLT_META_SEQ(meta);",
     "return 0;", ["displace"]),
    ("straight-slot-not-rechecked", INC + "exact_reader.h",
     "bad |= cxlt_load_acquire(at) ^ slot;", "", ["recycle", "displace", "modify"]),
    ("straight-entry-seq-not-rechecked", INC + "exact_reader.h",
     "bad |= cxlt_load(&e->seq) ^ seq;", "", ["recycle", "modify"]),
    ("straight-geometry-not-rechecked", INC + "exact_reader.h",
     "\t\t\t  cxlt_load(&r->t->geo) != r->geo || cxlt_exact_too_long(r, since)))",
     "\t\t\t  cxlt_exact_too_long(r, since)))", ["grow"]),
    ("slowly-miss-not-validated", INC + "exact.h",
     "if (cxlt_unlikely(CXLT_META_SEQ(cxlt_load(&b1->meta)) != CXLT_META_SEQ(m1)))",
     "if (0)", ["displace"]),
    ("slowly-slot-not-rechecked", INC + "exact.h",
     "\tif (cxlt_unlikely(cxlt_load_acquire(&b->slot[i]) != slot))\n\t\treturn -CXLT_EAGAIN;\n",
     "", ["recycle", "displace", "modify"]),
    ("slowly-seq-not-rechecked-last", INC + "exact.h",
     "return rc > 0 && cxlt_unlikely(cxlt_load(&e->seq) != seq) ? -CXLT_EAGAIN : rc;",
     "return rc;", ["modify-refused"]),
    ("published-before-filled", SRC + "exacts.c",
     "seq = e->seq | 1;\n\tcxlt_store_release(&e->seq, seq);",
     "seq = e->seq & ~1ULL;\n\tcxlt_store_release(&e->seq, seq);\n\tseq--;", ["modify"]),
    ("slowly-geometry-not-rechecked", INC + "exact.h",
     "if (cxlt_unlikely(cxlt_load(&t->geo) != geo))\n\t\treturn -CXLT_EAGAIN;", "", ["grow"]),
    ("array-freed-before-replaced", SRC + "hashtab.c",
     "\tcxlt_store_release(&t->geo, CXLT_GEO(ref, log2, CXLT_GEO_GEN(t->geo) + 1));\n",
     "\tfor (i = 0; i < n * 8; i++)\n\t\tcxlt_store(&((__u64 *)old)[i], 0);\n"
     "\tcxlt_store_release(&t->geo, CXLT_GEO(ref, log2, CXLT_GEO_GEN(t->geo) + 1));\n",
     ["grow"]),
    ("no-change-words", INC + "classify.h",
     "cxlt_chg_sum(v, &w->chg, n0) != w->chg.sum - sum0 ||", "",
     ["handover", "winner-kept"]),
    ("change-not-begun", SRC + "change_rule.c",
     "\tcxlt_bump(c->w, c->chg, CXLT_CHG_BEGIN);",
     "\t(void)c;", ["handover", "mat", "winner"]),
    ("change-ends-early", SRC + "change_rule.c",
     "\tbegin(c);\n\tif (ch->at) {",
     "\tbegin(c);\n\tend(c);\n\tbegin(c);\n"
     "\t*c->chg -= 65537;\n\tif (ch->at) {", ["handover", "winner"]),
    ("dims-outside-wide", SRC + "tuples.c",
     "\tcxlt_chg_begin(&c->t->wide);\n\tcxlt_write_barrier();\n\tcxlt_store32(&c->t->dims, "
     "c->t->dims | 1U << dim);\n\tcxlt_chg_end(&c->t->wide);",
     "\tcxlt_store32(&c->t->dims, c->t->dims | 1U << dim);", ["mat-new-dim"]),
    ("dims-before-wide", INC + "change.h",
     "\tcxlt_chg_note(set, tref * CXLT_LINE_WORDS + 1, cxlt_load_acquire(&t->wide));\n"
     "\tdims = cxlt_load32(&t->dims);",
     "\tdims = cxlt_load32(&t->dims);\n"
     "\tcxlt_chg_note(set, tref * CXLT_LINE_WORDS + 1, cxlt_load_acquire(&t->wide));",
     ["mat-new-dim", "winner-add", "handover"]),
    ("list-not-raised", SRC + "change_rule.c",
     "if (fresh || cxlt_list_prio(c) < c->prio)", "if (fresh)", ["mat-raise"]),
    ("chain-inserted-at-head", SRC + "change_rule.c",
     "if (ch->at) {", "if (ch->at && ch->found) {", ["winner-chain"]),
    ("cell-raised-late", SRC + "change_rule.c",
     "\tcxlt_filter_raise(c);\n\tmine = rule_alloc(c, x);\n"
     "\tif (mine) {\n\t\t/* The dimension comes last: its words stay, though there be no room for the "
     "rest. */\n\t\tc->chg = cxlt_chg_word(c);\n\t\trc = bundle ? cxlt_bundle_touch(c) : 0;\n\t}\n"
     "\tif (mine && !rc) {\n\t\trule_fill(c, mine, c->prio, x);\n"
     "\t\trc = chain_put(c, ch, mine, x->modify);\n",
     "\tmine = rule_alloc(c, x);\n"
     "\tif (mine) {\n\t\t/* The dimension comes last: its words stay, though there be no room for the "
     "rest. */\n\t\tc->chg = cxlt_chg_word(c);\n\t\trc = bundle ? cxlt_bundle_touch(c) : 0;\n\t}\n"
     "\tif (mine && !rc) {\n\t\trule_fill(c, mine, c->prio, x);\n"
     "\t\trc = chain_put(c, ch, mine, x->modify);\n\t\tcxlt_filter_raise(c);\n", ["filter-add"]),
    ("cell-lowered-early", SRC + "change_rule.c",
     "\tc->chg = cxlt_chg_word(c);\n\trc = chain_put_once(c, ch, 0, true, true);\n",
     "\tc->chg = cxlt_chg_word(c);\n\tcxlt_filter_lower(c);\n"
     "\trc = chain_put_once(c, ch, 0, true, true);\n\tcxlt_filter_raise(c);\n",
     ["filter-remove"]),
    ("cell-lowered-before-the-new-one", SRC + "change_rule.c",
     "\t\t\tif (must && mine)\n\t\t\t\tkeep(c, ch, mine);\n",
     "\t\t\tif (must && mine) {\n\t\t\t\tcxlt_filter_lower(c);\n\t\t\t\tcxlt_filter_lower(c);\n"
     "\t\t\t\tkeep(c, ch, mine);\n\t\t\t\tcxlt_filter_raise(c);\n"
     "\t\t\t\tcxlt_filter_raise(c);\n\t\t\t}\n", ["filter-modify"]),
    ("cell-not-won", SRC + "filter.c",
     "\t\telse if (!cxlt_cas(word, old, next))\n\t\t\tcontinue;\n",
     "\t\telse\n\t\t\tcxlt_store_release(word, next);\n", ["filter-two"]),
    ("filter-before-its-cells", SRC + "tuples.c",
     "\tcxlt_filter_joined(c, im);\n\tif (ref)\n\t\tcxlt_list_store(cxlt_at(c->s, ref), im);\n"
     "\t/* Pairs with the acquire of cxlt_classify(). */\n"
     "\tcxlt_store_release(&c->t->list, CXLT_LIST(ref, im->n, gen + 1));\n",
     "\tif (ref)\n\t\tcxlt_list_store(cxlt_at(c->s, ref), im);\n"
     "\tcxlt_store_release(&c->t->list, CXLT_LIST(ref, im->n, gen + 1));\n"
     "\tcxlt_filter_joined(c, im);\n", ["filter-join"]),
    ("repair-keeps-cells", SRC + "filter.c",
     "if (fix && have != want[i])", "if (0)", ["filter-add-die", "filter-remove-die"]),
    ("repair-keeps-both-slots", SRC + "check.c",
     "\t\tif (a->fix)\n\t\t\tclear_slot(&x->b[i], j, other);\n\t\treturn;\n\t}\n"
     "\tif (!audit_entry(", "\t\treturn;\n\t}\n\tif (!audit_entry(", ["displace-die"]),
    ("repair-keeps-pending", SRC + "check.c",
     "cxlt_store_release(word, *word + 65536 - pending);", "(void)0;", ["winner-die"]),
    ("repair-keeps-leaks", SRC + "audit_chunks.c",
     "cxlt_store(&used[w], a->marks[i][w]);", "(void)0;", ["recycle-die", "displace-die"]),
    ("repair-lowers-counters-first", SRC + "check.c",
     "low |= have < x->cnt[i][c];", "x->cnt[i][c] = 0; low |= have < x->cnt[i][c];",
     ["displace-die"]),
    ("home-not-locked", SRC + "hold.c",
     "return w->depth ? 0 : lock(w, &out->array[out->i1]);", "return 0;", ["two-insert-one"]),
    ("home-let-go-unsaid", SRC + "hold.c",
     "return rc ? rc : 1;", "return rc;", ["two-insert-back"]),
    ("move-not-locked", SRC + "hashtab.c",
     "\t\trc = cxlt_lock_pair(w, array, from, to);\n", "",
     ["displace-and-delete", "two-displace"]),
    ("move-not-rechecked", SRC + "hashtab.c",
     "if (slot && j >= 0 && cxlt_hash_other(from, CXLT_SLOT_TAG(slot), mask) == to)",
     "if (j >= 0)", ["displace-and-delete"]),
    ("bit-not-won", SRC + "alloc.c",
     "if (!win(a, bits, object)) {", "if (win(a, bits, object) && 0) {",
     ["two-insert-one", "two-rules"]),
    ("gate-not-awaited", SRC + "lock.c",
     "\tint rc = quiesce(w);\n", "\tint rc = 0;\n", ["grow-and-insert"]),
    ("gate-not-looked-at", SRC + "lock.c",
     "if (cxlt_likely(!cxlt_load_acquire(&c->owner))) {", "if (1) {", ["grow-and-insert"]),
    ("dead-not-repaired", SRC + "lock.c",
     "if (rc > 0 || (!rc && inherited)) {", "if (!rc && inherited) {", ["meet-the-dead"]),
    ("dead-not-recognised", SRC + "lock.c",
     "\tif (holder != CXLT_WRITER_BPF && is_gone(w, holder))\n\t\treturn -ESRCH;\n", "",
     ["meet-the-dead"]),
    ("bundle-floor-late", SRC + "bundle.c",
     "\tcxlt_store_release(&ctl->floor, version);\n", "", ["bundle"]),
    ("bundle-floor-not-looked-at", INC + "resolve.h",
     "if (cxlt_load_acquire(&c->floor) <= w->version)", "if (1)", ["bundle"]),
    ("bundle-version-early", SRC + "bundle.c",
     "\ts->ahead = 1;\n",
     "\ts->ahead = 1;\n\tcxlt_store(&cxlt_control(s)->version, w->bundle.version);\n",
     ["bundle"]),
    ("bundle-new-ones-at-once", SRC + "change_rule.c",
     "cxlt_in_bundle(c) ? c->w->bundle.version : 0);", "0);", ["bundle"]),
    ("repair-forgets-bundles", SRC + "repair.c",
     "if (rc >= 0 && cxlt_bundle_settle(w))", "if (0)", ["bundle-die"]),
    ("bpf-move-no-event", INC + "exact_write.h",
     "\t\tcxlt_exact_event(from);\n\t\tcxlt_exact_event(to);\n", "", ["bpf-displace"]),
    ("bpf-move-counter-late", INC + "exact_write.h",
     "\t\tif (!was_second)\n\t\t\tcxlt_exact_count(home, tag, 1);\n"
     "\t\tcxlt_store_release(&to->slot[j - 1], slot ^ 1ULL << 32);\n"
     "\t\tcxlt_exact_event(from);\n\t\tcxlt_exact_event(to);\n"
     "\t\tcxlt_store_release(&from->slot[i], 0);\n",
     "\t\tcxlt_store_release(&to->slot[j - 1], slot ^ 1ULL << 32);\n"
     "\t\tcxlt_exact_event(from);\n\t\tcxlt_exact_event(to);\n"
     "\t\tcxlt_store_release(&from->slot[i], 0);\n"
     "\t\tif (!was_second)\n\t\t\tcxlt_exact_count(home, tag, 1);\n", ["bpf-displace"]),
    ("bpf-move-not-locked", INC + "exact_write.h",
     "\tif (!cxlt_exact_lock(from))\n\t\treturn -CXLT_EBUSY;\n", "",
     ["bpf-displace-and-delete", "bpf-two-displace"]),
    ("bpf-move-not-rechecked", INC + "exact_write.h",
     "if (slot && j && cxlt_hash_other(a, tag, op->mask) == b) {", "if (j) {",
     ["bpf-displace-and-delete", "bpf-two-displace"]),
    ("bpf-home-not-locked", INC + "exact_write.h",
     "\tint rc = 0;\n\n\tif (!cxlt_exact_lock(home))\n\t\treturn -CXLT_EBUSY;\n",
     "\tint rc = 0;\n\n", ["bpf-insert-one", "bpf-two-programs"]),
    ("bpf-gate-not-looked-at", INC + "exact_write.h",
     "if (cxlt_likely(!cxlt_load_acquire(&c->owner)))", "if (1)", ["bpf-grow", "bpf-stock"]),
    ("bpf-gate-not-awaited", SRC + "lock.c",
     "\trc = await_idle(w, CXLT_WRITER_BPF);\n", "\trc = 0;\n", ["bpf-grow", "bpf-stock"]),
    ("bpf-gate-left-early", INC + "exact_write.h",
     "\trc = cxlt_exact_new(v, &op, cpu, key, n_key, val, n_val, &ref);\n\tif (!rc) {\n"
     "\t\tCXLT_FOR(",
     "\tcxlt_exact_end(v);\n"
     "\trc = cxlt_exact_new(v, &op, cpu, key, n_key, val, n_val, &ref);\n\tif (!rc) {\n"
     "\t\tcxlt_fetch_add(&((struct cxlt_intent *)cxlt_line(v, v->intents + 255, 1))->op, 1);\n"
     "\t\tCXLT_FOR(", ["bpf-grow", "bpf-stock"]),
    ("bpf-stock-not-locked", INC + "exact_write.h",
     "if (cxlt_unlikely(!cxlt_cas(&s->lock, 0, 1)))\n\t\treturn -CXLT_EBUSY;", "",
     ["bpf-two-programs", "bpf-give-and-take"]),
    ("bpf-published-before-filled", INC + "exact_write.h",
     "\tseq = cxlt_load(&e->seq) | 1;\n", "\tseq = (cxlt_load(&e->seq) & ~1ULL) - 1;\n",
     ["bpf-modify", "bpf-recycle"]),
]


def build(cc, root, out, flags):
    src = os.path.join(root, "libcxltab/src")
    files = [os.path.join(src, f) for f in sorted(os.listdir(src))
             if f.endswith(".c")]
    files += [os.path.join(root, "tests/model", f) for f in ("explore.c", "scenarios.c")]
    return subprocess.run(
        [*cc.split(), "-std=gnu11", "-O1", "-D_GNU_SOURCE", "-DCXLT_MODEL", "-w", "-pthread", *flags,
         "-I" + os.path.join(root, "libcxltab/include"), "-o", out, *files],
        capture_output=True, text=True, check=False)


def try_mutant(cc, work, mutant):
    name, path, old, new, scenarios = mutant
    root = os.path.join(work, name)
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree("libcxltab", os.path.join(root, "libcxltab"))
    shutil.copytree("tests/model", os.path.join(root, "tests/model"))
    with open(os.path.join(root, path), encoding="utf-8") as f:
        text = f.read()
    if text.count(old) != 1:
        return f"its text occurs {text.count(old)} times in {path}"
    with open(os.path.join(root, path), "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))
    out = os.path.join(root, "model")
    made = build(cc, root, out, ["-DMODEL_SLOWLY"] if name.startswith("slowly-") else [])
    if made.returncode:
        return "does not compile: " + made.stderr.strip().splitlines()[-1]
    try:
        ran = subprocess.run([out, *scenarios], capture_output=True, text=True, timeout=240,
                             check=False, env={**os.environ, "MODEL_STOP": "1"})
    except subprocess.TimeoutExpired:
        return "no answer in 240 s"
    shutil.rmtree(root, ignore_errors=True)
    if ran.returncode != 1:
        return f"survived {' '.join(scenarios)} (status {ran.returncode})"
    caught = [line.split()[1] for line in ran.stdout.splitlines() if line.startswith("FAIL")]
    print(f"ok   {name}: caught by {', '.join(caught)}", flush=True)
    return None


def main():
    cc, work, only = sys.argv[1], sys.argv[2], sys.argv[3:]
    chosen = [m for m in MUTANTS if not only or any(m[0].startswith(o) for o in only)]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, why in zip(chosen, pool.map(lambda m: try_mutant(cc, work, m), chosen)):
            if why:
                print(f"FAIL {mutant[0]}: {why}", flush=True)
                failed += 1
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
