"""Independent checks of scheduled code: what the hardware would refuse, as text.

Written from the hardware rules, not from the schedulers: each function walks finished code in
issue order and returns one line per violation.
"""

from collections import Counter

MESSAGE_KINDS = {"load", "store", "atomic", "texture", "barrier"}
BIFROST_SLOTS = {"F": {"fma"}, "A": {"add"}, "E": {"fma", "add"}, "T": {"fma"}}
MIDGARD_SLOTS = {
    "ADD": {"SADD", "VADD"},
    "MUL": {"SMUL", "VMUL"},
    "FMUL": {"SMUL", "VMUL", "LUT"},
    "MOST": {"SADD", "SMUL", "VMUL", "VADD"},
    "SEL": {"SMUL", "VADD"},
    "ANY": {"SADD", "SMUL", "LUT", "VADD", "VMUL"},
    "LUT": {"LUT"},
    "VMUL": {"VMUL"},
    "VADD": {"VADD"},
    "BR": {"BR"},
}
MIDGARD_STAGE = {"VMUL": 1, "SADD": 1, "VADD": 2, "SMUL": 2, "LUT": 2, "BR": 3}


def once_each(ops, placed):
    """Every operation stands in the code exactly once."""
    counts = Counter(id(op) for op in placed)
    return [f"{op.name} is placed {counts[id(op)]} times" for op in ops if counts[id(op)] != 1]


def in_order(ops, time_of, may_forward):
    """Producers come before consumers, readers before overwriters, accesses in order."""
    problems = []
    writer, readers, last_message = {}, {}, None
    for op in ops:
        for number in (*op.reads, *op.staging):
            maker = writer.get(number)
            if maker is not None and not may_forward(maker, op):
                problems.append(f"{op.name} reads v{number} before {maker.name} made it")
        for number in op.writes:
            problems += [
                f"{op.name} overwrites v{number} before {reader.name}"
                for reader in readers.get(number, ())
                if reader is not op and not time_of(reader) <= time_of(op)
            ]
        for number in (*op.reads, *op.staging):
            readers.setdefault(number, []).append(op)
        for number in op.writes:
            writer[number] = op
            readers[number] = []
        if op.kind in MESSAGE_KINDS:
            is_tied = last_message is not None and conflict(last_message, op)
            if is_tied and not time_of(last_message) < time_of(op):
                problems.append(f"{op.name} overtakes {last_message.name}")
            last_message = op
    return problems


def conflict(first, second):
    kinds = {first.kind, second.kind}
    return "barrier" in kinds or (first.space == second.space and kinds & {"store", "atomic"})


def bifrost_problems(ops, clauses, live_out=()):
    """Return the violations in Bifrost clauses."""
    placed = [op for clause in clauses for item in clause.tuples for op in item.ops]
    problems = once_each(ops, placed)
    time = {}
    for c, clause in enumerate(clauses):
        if not 1 <= len(clause.tuples) <= 8:
            problems.append(f"clause {c} has {len(clause.tuples)} tuples")
        messages = [op for op in clause.ops if op.kind in MESSAGE_KINDS]
        if len(messages) > 1:
            problems.append(f"clause {c} has {len(messages)} messages")
        words = len(clause.tuples)
        constants = 0
        for t, item in enumerate(clause.tuples):
            for slot, op in (("fma", item.fma), ("add", item.add)):
                if op is None:
                    continue
                time[id(op)] = (c, t, slot == "add")
                if slot not in BIFROST_SLOTS[op.unit]:
                    problems.append(f"{op.name} ({op.unit}) in the {slot} slot")
                if op.kind in MESSAGE_KINDS | {"branch"} and slot != "add":
                    problems.append(f"{op.name} in the FMA slot")
                if op.kind == "branch" and t != len(clause.tuples) - 1:
                    problems.append("a branch inside a clause")
            if item.fma is not None and item.fma.unit == "T" and item.add is not None:
                problems.append("a whole-tuple operation has a partner")
            uniforms = {w for op in item.ops for w in op.words if w.startswith("u")}
            immediates = {w for op in item.ops for w in op.words if w.startswith("c")}
            n = len(immediates) + sum(op.kind == "branch" for op in item.ops)
            constants += n
            if len(uniforms) > 1 or n > 2 or (uniforms and n):
                problems.append(f"tuple needs {uniforms} and {n} constants")
        if words + -(-constants // 2) > 13:
            problems.append(f"clause {c} has {words} tuples and {constants} constants")
        problems += _port_problems(c, clause, clauses, live_out)
        problems += _staging_problems(c, clause)

    def time_of(op):
        return time[id(op)]

    def may_forward(maker, user):
        if maker.kind in MESSAGE_KINDS:
            return time_of(maker)[0] < time_of(user)[0]
        return time_of(maker) < time_of(user)

    if not problems:
        problems += in_order(ops, time_of, may_forward)
    return problems


def _port_problems(c, clause, clauses, live_out):
    problems = []
    before = set()
    n_written_before = 0
    for t, item in enumerate(clause.tuples):
        reads, made = {}, set()
        for op in item.ops:
            size = 2 if op.kind in MESSAGE_KINDS - {"barrier"} else 1
            for number in op.reads:
                if number not in made | before:
                    reads[number] = max(size, reads.get(number, 0))
            made.update(op.writes)
        n_reads = sum(reads.values())
        if len(item.ops) > 1 and n_reads > 3:
            problems.append(f"tuple {c}.{t} reads {n_reads} registers")
        if t and n_written_before and n_reads + n_written_before > max(4, n_reads):
            problems.append(f"tuple {c}.{t} reads {n_reads}, the one before writes")
        written = _written(c, t, item, clauses, live_out)
        if t == len(clause.tuples) - 1 and len(written) > 1:
            problems.append(f"the last tuple of clause {c} writes {written}")
        before = {n for op in item.ops if op.kind not in MESSAGE_KINDS for n in op.writes}
        n_written_before = len(written)
    return problems


def _written(c, t, item, clauses, live_out):
    """Registers of a tuple that somebody needs after the next tuple of the clause."""
    made = {n for op in item.ops if op.kind not in MESSAGE_KINDS for n in op.writes}
    needed = set(live_out)
    for c2, clause in enumerate(clauses):
        for t2, other in enumerate(clause.tuples):
            is_near = c2 == c and t2 in (t, t + 1)
            if (c2, t2) > (c, t):
                for op in other.ops:
                    needed.update(op.staging)
                    if not is_near:
                        needed.update(op.reads)
    return made & needed


def _staging_problems(c, clause):
    """What a message delivers or carries is not touched in the rest of its clause."""
    problems = []
    fragile = set()
    for item in clause.tuples:
        touched = {n for op in item.ops for n in (*op.reads, *op.writes)}
        if fragile & touched:
            problems.append(f"clause {c} touches v{fragile & touched} of its message")
        for op in item.ops:
            if op.kind in MESSAGE_KINDS:
                fragile |= set(op.writes)
    return problems


def midgard_problems(ops, words):
    """Return the violations in Midgard words; moves of conditions may have been added."""
    placed = [op for word in words for op in word.ops]
    problems = once_each(ops, placed)
    known = {id(op) for op in ops}
    time = {}
    for w, word in enumerate(words):
        if word.kind == "ls" and not 1 <= len(word.accesses) <= 2:
            problems.append(f"word {w} has {len(word.accesses)} accesses")
        if word.kind == "tex" and len(word.accesses) != 1:
            problems.append(f"texture word {w} has {len(word.accesses)} operations")
        if word.kind == "alu" and (word.accesses or not word.slots):
            problems.append(f"word {w} is no bundle")
        for op in word.accesses:
            time[id(op)] = (w, 0)
        immediates = {x for op in word.slots.values() for x in op.words if x.startswith("c")}
        if 4 * len(immediates) > 16:
            problems.append(f"word {w} needs {len(immediates)} constants")
        conditions = 0
        for slot, op in word.slots.items():
            time[id(op)] = (w, MIDGARD_STAGE[slot])
            if slot not in MIDGARD_SLOTS[op.unit]:
                problems.append(f"{op.name} ({op.unit}) in {slot}")
            if slot in ("SADD", "SMUL") and (op.lanes > 1 or op.bits > 32):
                problems.append(f"vector {op.name} in {slot}")
            if id(op) not in known and op.name != "mov":
                problems.append(f"{op.name} came from nowhere")
            if op.unit == "SEL" or op.name == "branch":
                conditions += 1
                if not _has_condition(op, slot, word):
                    problems.append(f"{op.name} in word {w} lacks its condition")
        if conditions > 1:
            problems.append(f"word {w} takes {conditions} conditions")

    def time_of(op):
        return time[id(op)]

    def may_forward(maker, user):
        return time_of(maker) < time_of(user)

    if not problems:
        problems += in_order(ops, time_of, may_forward)
    return problems


def _has_condition(op, slot, word):
    if not op.reads:
        return True
    for other_slot, other in word.slots.items():
        if other is op or MIDGARD_STAGE[other_slot] >= MIDGARD_STAGE[slot]:
            continue
        is_made = op.reads[0] in other.writes
        is_moved = other.name == "mov" and op.reads[0] in other.reads
        if is_made or is_moved:
            return True
    return False
