"""The native loop that runs one work-group in warps, under either reconvergence policy.

Warps take turns, one block each. `keys` says which lanes run together: lanes of equal state (the
lowest one of the warp runs) or lanes on the same level of the warp's stack (the top runs). A lane
that waits at a barrier or has ended leaves the stack; behind a barrier all start on level 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from gpusim.count import layout

WAITING = 1 << 20
"""Added to the state behind a barrier while a lane waits there."""
DONE = 1 << 30
GONE = -1
"""Level of a lane that waits at a barrier or has ended."""
_LOOSE = -2
"""Level of a lane that has just diverged."""


def _table(name: str, kind: str, values: Sequence[int]) -> str:
    items = ", ".join(f"{kind} {value}" for value in values)
    return f"@{name} = internal constant [{len(values)} x {kind}] [{items}]"


def _word(name: str, word: int, kind: str = "i64") -> str:
    return (
        f"  {name}.at = getelementptr i64, ptr %g.ctx, i64 {word}\n"
        f"  {name} = load {kind}, ptr {name}.at"
    )


def warp_function(
    formals: str,
    *,
    block_of_state: Sequence[int],
    is_piece: Sequence[bool],
    meeting_of_state: Sequence[int],
    sites_of_state: Sequence[int],
    n_blocks: int,
    variables: Sequence[str] = (),
) -> str:
    """Return the text of the loop.

    Parameters
    ----------
    formals : str
        What the work-item function takes besides state and local ids.
    block_of_state : sequence of int
        Column of the warp counts that a parting of lanes is counted in.
    is_piece : sequence of bool
        Whether a state's issues go to the spare column: it begins behind a barrier.
    meeting_of_state : sequence of int
        State where lanes that part there meet again, `DONE` = at the end.
    sites_of_state : sequence of int
        Addresses that a lane records there.
    n_blocks : int
        Blocks of the kernel; the counts have one column more.
    variables : sequence of str
        Program-scope variables whose addresses are wanted.
    """
    n_states = len(block_of_state)
    columns_of_state = [
        n_blocks if piece else block for block, piece in zip(block_of_state, is_piece, strict=True)
    ]
    tables = "\n".join(
        (
            _table("gpusim.columns", "i64", columns_of_state),
            _table("gpusim.blocks", "i64", block_of_state),
            _table("gpusim.meetings", "i32", meeting_of_state),
            _table("gpusim.sites", "i64", sites_of_state),
        )
    )
    columns = n_blocks + 1
    row_bytes = 8 * columns
    noted = "\n".join(
        f"  %var.{i}.at = getelementptr i64, ptr %variables, i64 {i}\n"
        f'  %var.{i} = ptrtoint ptr @"{name}" to i64\n'
        f"  store i64 %var.{i}, ptr %var.{i}.at"
        for i, name in enumerate(variables)
    )
    return f"""
{tables}
define internal void @gpusim.part(i32 %meeting, ptr %stack, ptr %states, ptr %levels, i64 %first,
    i64 %end) noinline nounwind {{
entry:
  %top = load i32, ptr %stack
  %top.wide = sext i32 %top to i64
  %slot = mul i64 %top.wide, 2
  %slot.meet = add i64 %slot, 1
  %meet.at = getelementptr i32, ptr %stack, i64 %slot.meet
  %top.meeting = load i32, ptr %meet.at
  %slot.below = add i64 %slot, 2
  %below.at = getelementptr i32, ptr %stack, i64 %slot.below
  %top.below = load i32, ptr %below.at
  %is.tail = icmp eq i32 %top.meeting, %meeting
  %below = select i1 %is.tail, i32 %top.below, i32 %top
  %top.less = sub i32 %top, 1
  %start = select i1 %is.tail, i32 %top.less, i32 %top
  br label %sort
sort:
  %i = phi i64 [ %first, %entry ], [ %i.next, %sort.end ]
  %i.at = getelementptr i32, ptr %levels, i64 %i
  %i.level = load i32, ptr %i.at
  %is.mine = icmp eq i32 %i.level, %top
  br i1 %is.mine, label %place, label %sort.end
place:
  %i.state.at = getelementptr i32, ptr %states, i64 %i
  %i.state = load i32, ptr %i.state.at
  %arrived = icmp eq i32 %i.state, %meeting
  %i.new = select i1 %arrived, i32 %below, i32 {_LOOSE}
  store i32 %i.new, ptr %i.at
  br label %sort.end
sort.end:
  %i.next = add nuw nsw i64 %i, 1
  %i.more = icmp ult i64 %i.next, %end
  br i1 %i.more, label %sort, label %push
push:
  %now = phi i32 [ %start, %sort.end ], [ %next, %settled ]
  br label %find
find:
  %j = phi i64 [ %first, %push ], [ %j.next, %find ]
  %high = phi i32 [ -1, %push ], [ %high.next, %find ]
  %j.at = getelementptr i32, ptr %levels, i64 %j
  %j.level = load i32, ptr %j.at
  %j.state.at = getelementptr i32, ptr %states, i64 %j
  %j.state = load i32, ptr %j.state.at
  %is.loose = icmp eq i32 %j.level, {_LOOSE}
  %candidate = select i1 %is.loose, i32 %j.state, i32 -1
  %high.next = call i32 @llvm.smax.i32(i32 %high, i32 %candidate)
  %j.next = add nuw nsw i64 %j, 1
  %j.more = icmp ult i64 %j.next, %end
  br i1 %j.more, label %find, label %found
found:
  %is.settled = icmp slt i32 %high.next, 0
  br i1 %is.settled, label %leave, label %level
level:
  %next = add i32 %now, 1
  %next.wide = sext i32 %next to i64
  %new.slot = mul i64 %next.wide, 2
  %new.meet = add i64 %new.slot, 1
  %new.meet.at = getelementptr i32, ptr %stack, i64 %new.meet
  store i32 %meeting, ptr %new.meet.at
  %new.below = add i64 %new.slot, 2
  %new.below.at = getelementptr i32, ptr %stack, i64 %new.below
  store i32 %below, ptr %new.below.at
  br label %lift
lift:
  %k = phi i64 [ %first, %level ], [ %k.next, %lift ]
  %k.at = getelementptr i32, ptr %levels, i64 %k
  %k.level = load i32, ptr %k.at
  %k.state.at = getelementptr i32, ptr %states, i64 %k
  %k.state = load i32, ptr %k.state.at
  %k.loose = icmp eq i32 %k.level, {_LOOSE}
  %k.here = icmp eq i32 %k.state, %high.next
  %k.lifted = and i1 %k.loose, %k.here
  %k.new = select i1 %k.lifted, i32 %next, i32 %k.level
  store i32 %k.new, ptr %k.at
  %k.next = add nuw nsw i64 %k, 1
  %k.more = icmp ult i64 %k.next, %end
  br i1 %k.more, label %lift, label %settled
settled:
  br label %push
leave:
  store i32 %now, ptr %stack
  ret void
}}
define internal i32 @gpusim.region(i32 %g.state, {formals}) nounwind {{
entry:
{_word("%width", layout.WARP_WIDTH)}
{_word("%states", layout.STATES, "ptr")}
{_word("%levels", layout.LEVELS, "ptr")}
{_word("%stacks", layout.STACKS, "ptr")}
{_word("%stacked", layout.IS_STACKED)}
{_word("%warp.counts", layout.WARP_COUNTS, "ptr")}
{_word("%stream.end", layout.STREAM_END)}
{_word("%sink", layout.SINK)}
{_word("%variables", layout.VARIABLES, "ptr")}
{_word("%ids", layout.LOCAL_IDS, "ptr")}
  %ids.y = getelementptr i32, ptr %ids, i64 %g.items
  %ids.z = getelementptr i32, ptr %ids.y, i64 %g.items
{noted}
  %lane.out.at = getelementptr i64, ptr %g.ctx, i64 {layout.LANE_OUT}
  %stream.at = getelementptr i64, ptr %g.ctx, i64 {layout.STREAM}
  %lost.at = getelementptr i64, ptr %g.ctx, i64 {layout.STREAM_LOST}
  %is.stacked = icmp ne i64 %stacked, 0
  %keys = select i1 %is.stacked, ptr %levels, ptr %states
  %mask.up = add i64 %width, 63
  %mask.words = lshr i64 %mask.up, 6
  %mask.bytes = shl i64 %mask.words, 3
  %header = add i64 %mask.bytes, {8 * layout.STREAM_HEADER_WORDS}
  %stack.lanes = mul i64 %width, 16
  %stack.bytes = add i64 %stack.lanes, {4 * layout.stack_words(0)}
  %bytes = mul i64 %g.items, 4
  call void @llvm.memset.p0.i64(ptr %states, i8 0, i64 %bytes, i1 false)
  br label %round
round:
  call void @llvm.memset.p0.i64(ptr %levels, i8 0, i64 %bytes, i1 false)
  br label %empty
empty:
  %e = phi i64 [ 0, %round ], [ %e.next, %empty ]
  %e.warp = udiv i64 %e, %width
  %e.offset = mul i64 %e.warp, %stack.bytes
  %e.stack = getelementptr i8, ptr %stacks, i64 %e.offset
  store i32 0, ptr %e.stack
  %e.meet = getelementptr i32, ptr %e.stack, i64 1
  store i32 {DONE}, ptr %e.meet
  %e.below = getelementptr i32, ptr %e.stack, i64 2
  store i32 {GONE}, ptr %e.below
  %e.next = add i64 %e, %width
  %e.more = icmp ult i64 %e.next, %g.items
  br i1 %e.more, label %empty, label %turn
turn:
  br label %warp
warp:
  %first = phi i64 [ 0, %turn ], [ %first.next, %warp.end ]
  %warp.number = phi i64 [ 0, %turn ], [ %warp.next, %warp.end ]
  %busy = phi i1 [ false, %turn ], [ %busy.next, %warp.end ]
  %end.full = add i64 %first, %width
  %end = call i64 @llvm.umin.i64(i64 %end.full, i64 %g.items)
  %stack.offset = mul i64 %warp.number, %stack.bytes
  %stack = getelementptr i8, ptr %stacks, i64 %stack.offset
  br i1 %is.stacked, label %pop, label %scan
scan:
  %i = phi i64 [ %first, %warp ], [ %i.next, %scan ]
  %low = phi i32 [ {DONE}, %warp ], [ %low.next, %scan ]
  %i.at = getelementptr i32, ptr %states, i64 %i
  %i.state = load i32, ptr %i.at
  %low.next = call i32 @llvm.umin.i32(i32 %low, i32 %i.state)
  %i.next = add nuw nsw i64 %i, 1
  %i.more = icmp ult i64 %i.next, %end
  br i1 %i.more, label %scan, label %scanned
scanned:
  %is.stuck = icmp uge i32 %low.next, {WAITING}
  br i1 %is.stuck, label %warp.end, label %issue
pop:
  %top = load i32, ptr %stack
  %is.empty = icmp slt i32 %top, 0
  br i1 %is.empty, label %warp.end, label %peek
peek:
  %top.wide = sext i32 %top to i64
  %slot = mul i64 %top.wide, 2
  %slot.meet = add i64 %slot, 1
  %meet.at = getelementptr i32, ptr %stack, i64 %slot.meet
  %meeting = load i32, ptr %meet.at
  %slot.below = add i64 %slot, 2
  %below.at = getelementptr i32, ptr %stack, i64 %slot.below
  %below = load i32, ptr %below.at
  br label %look
look:
  %l = phi i64 [ %first, %peek ], [ %l.next, %look ]
  %seen = phi i32 [ -1, %peek ], [ %seen.next, %look ]
  %l.at = getelementptr i32, ptr %levels, i64 %l
  %l.level = load i32, ptr %l.at
  %l.state.at = getelementptr i32, ptr %states, i64 %l
  %l.state = load i32, ptr %l.state.at
  %l.mine = icmp eq i32 %l.level, %top
  %seen.next = select i1 %l.mine, i32 %l.state, i32 %seen
  %l.next = add nuw nsw i64 %l, 1
  %l.more = icmp ult i64 %l.next, %end
  br i1 %l.more, label %look, label %looked
looked:
  %is.gone = icmp sge i32 %seen.next, {WAITING}
  %is.none = icmp slt i32 %seen.next, 0
  %is.met = icmp eq i32 %seen.next, %meeting
  %is.over.a = or i1 %is.gone, %is.met
  %is.over = or i1 %is.over.a, %is.none
  br i1 %is.over, label %drop, label %issue
drop:
  %drop.to = select i1 %is.gone, i32 {GONE}, i32 %below
  %top.less = sub i32 %top, 1
  store i32 %top.less, ptr %stack
  br label %merge
merge:
  %m = phi i64 [ %first, %drop ], [ %m.next, %merge ]
  %m.at = getelementptr i32, ptr %levels, i64 %m
  %m.level = load i32, ptr %m.at
  %m.mine = icmp eq i32 %m.level, %top
  %m.new = select i1 %m.mine, i32 %drop.to, i32 %m.level
  store i32 %m.new, ptr %m.at
  %m.next = add nuw nsw i64 %m, 1
  %m.more = icmp ult i64 %m.next, %end
  br i1 %m.more, label %merge, label %pop
issue:
  %state = phi i32 [ %low.next, %scanned ], [ %seen.next, %looked ]
  %key = phi i32 [ %low.next, %scanned ], [ %top, %looked ]
  %state.wide = zext i32 %state to i64
  %column.at = getelementptr [{n_states} x i64], ptr @gpusim.columns, i64 0, i64 %state.wide
  %column = load i64, ptr %column.at
  %warp.row = mul i64 %warp.number, {layout.WARP_ROWS * columns}
  %cell = add i64 %warp.row, %column
  %issues.at = getelementptr i64, ptr %warp.counts, i64 %cell
  %issues = load i64, ptr %issues.at
  %issues.new = add i64 %issues, 1
  store i64 %issues.new, ptr %issues.at
  %sites.at = getelementptr [{n_states} x i64], ptr @gpusim.sites, i64 0, i64 %state.wide
  %sites = load i64, ptr %sites.at
  %lane.bytes = shl i64 %sites, 3
  %most = mul i64 %lane.bytes, %width
  %stream = load i64, ptr %stream.at
  %need = add i64 %most, %header
  %last = add i64 %stream, %need
  %has.room = icmp ule i64 %last, %stream.end
  %has.sites = icmp ne i64 %sites, 0
  %is.recorded = and i1 %has.room, %has.sites
  %record = select i1 %is.recorded, i64 %stream, i64 %sink
  %record.ptr = inttoptr i64 %record to ptr
  %mask.at = getelementptr i64, ptr %record.ptr, i64 {layout.STREAM_HEADER_WORDS}
  call void @llvm.memset.p0.i64(ptr %mask.at, i8 0, i64 %mask.bytes, i1 false)
  %lanes.out = add i64 %record, %header
  store i64 %lanes.out, ptr %lane.out.at
  br label %lane
lane:
  %j = phi i64 [ %first, %issue ], [ %j.next, %lane.end ]
  %active = phi i64 [ 0, %issue ], [ %active.next, %lane.end ]
  %one = phi i32 [ -1, %issue ], [ %one.next, %lane.end ]
  %parted = phi i1 [ false, %issue ], [ %parted.next, %lane.end ]
  %key.at = getelementptr i32, ptr %keys, i64 %j
  %j.key = load i32, ptr %key.at
  %is.here = icmp eq i32 %j.key, %key
  br i1 %is.here, label %run, label %lane.end
run:
  %lane.number = sub i64 %j, %first
  %bit.word = lshr i64 %lane.number, 6
  %bit.number = and i64 %lane.number, 63
  %bit = shl i64 1, %bit.number
  %bits.at = getelementptr i64, ptr %mask.at, i64 %bit.word
  %bits = load i64, ptr %bits.at
  %bits.new = or i64 %bits, %bit
  store i64 %bits.new, ptr %bits.at
  %x.at = getelementptr i32, ptr %ids, i64 %j
  %x.id = load i32, ptr %x.at
  %x = zext i32 %x.id to i64
  %y.at = getelementptr i32, ptr %ids.y, i64 %j
  %y.id = load i32, ptr %y.at
  %y = zext i32 %y.id to i64
  %z.at = getelementptr i32, ptr %ids.z, i64 %j
  %z.id = load i32, ptr %z.at
  %z = zext i32 %z.id to i64
  %reached = call i32 @gpusim.item(i32 %state, i64 %x, i64 %y, i64 %z, {formals})
  %j.at = getelementptr i32, ptr %states, i64 %j
  store i32 %reached, ptr %j.at
  %out = load i64, ptr %lane.out.at
  %out.new = add i64 %out, %lane.bytes
  store i64 %out.new, ptr %lane.out.at
  %active.more = add i64 %active, 1
  %is.first = icmp eq i64 %active, 0
  %differs = icmp ne i32 %reached, %one
  %apart.now = select i1 %is.first, i1 false, i1 %differs
  %parted.more = or i1 %parted, %apart.now
  br label %lane.end
lane.end:
  %active.next = phi i64 [ %active, %lane ], [ %active.more, %run ]
  %one.next = phi i32 [ %one, %lane ], [ %reached, %run ]
  %parted.next = phi i1 [ %parted, %lane ], [ %parted.more, %run ]
  %j.next = add nuw nsw i64 %j, 1
  %j.more = icmp ult i64 %j.next, %end
  br i1 %j.more, label %lane, label %ran
ran:
  %lanes.at = getelementptr i8, ptr %issues.at, i64 {layout.LANES * row_bytes}
  %lanes = load i64, ptr %lanes.at
  %lanes.new = add i64 %lanes, %active.next
  store i64 %lanes.new, ptr %lanes.at
  br i1 %has.sites, label %keep, label %kept
keep:
  %active.high = shl i64 %active.next, 32
  %head = or i64 %active.high, %state.wide
  store i64 %head, ptr %record.ptr
  %head.warp = getelementptr i64, ptr %record.ptr, i64 1
  store i64 %warp.number, ptr %head.warp
  %stream.next = load i64, ptr %lane.out.at
  %stream.new = select i1 %is.recorded, i64 %stream.next, i64 %stream
  store i64 %stream.new, ptr %stream.at
  %lost = load i64, ptr %lost.at
  %lost.one = zext i1 %has.room to i64
  %lost.flag = xor i64 %lost.one, 1
  %lost.new = add i64 %lost, %lost.flag
  store i64 %lost.new, ptr %lost.at
  br label %kept
kept:
  br i1 %parted.next, label %part, label %warp.end
part:
  %block.at = getelementptr [{n_states} x i64], ptr @gpusim.blocks, i64 0, i64 %state.wide
  %block = load i64, ptr %block.at
  %block.cell = add i64 %warp.row, %block
  %parts.place = add i64 %block.cell, {layout.DIVERGENCES * columns}
  %parts.at = getelementptr i64, ptr %warp.counts, i64 %parts.place
  %parts = load i64, ptr %parts.at
  %parts.new = add i64 %parts, 1
  store i64 %parts.new, ptr %parts.at
  br i1 %is.stacked, label %restack, label %warp.end
restack:
  %meets.at = getelementptr [{n_states} x i32], ptr @gpusim.meetings, i64 0, i64 %state.wide
  %meets = load i32, ptr %meets.at
  call void @gpusim.part(i32 %meets, ptr %stack, ptr %states, ptr %levels, i64 %first, i64 %end)
  br label %warp.end
warp.end:
  %stuck = phi i1 [ true, %scanned ], [ true, %pop ], [ false, %kept ], [ false, %part ],
    [ false, %restack ]
  %ran.one = xor i1 %stuck, true
  %busy.next = or i1 %busy, %ran.one
  %first.next = add i64 %first, %width
  %warp.next = add i64 %warp.number, 1
  %warp.more = icmp ult i64 %first.next, %g.items
  br i1 %warp.more, label %warp, label %turned
turned:
  br i1 %busy.next, label %turn, label %meet
meet:
  %leader = load i32, ptr %states
  br label %check
check:
  %k = phi i64 [ 0, %meet ], [ %k.next, %checked ]
  %k.at = getelementptr i32, ptr %states, i64 %k
  %k.state = load i32, ptr %k.at
  %apart = icmp ne i32 %k.state, %leader
  br label %checked
checked:
  call void @gpusim.check.barrier(i1 %apart, ptr %g.ctx, i64 %g.group, i64 %k, i64 0, i64 0)
  %behind = sub i32 %k.state, {WAITING}
  store i32 %behind, ptr %k.at
  %k.next = add nuw nsw i64 %k, 1
  %k.more = icmp ult i64 %k.next, %g.items
  br i1 %k.more, label %check, label %after
after:
  %is.done = icmp eq i32 %leader, {DONE}
  br i1 %is.done, label %finish, label %round
finish:
  ret i32 -1
}}"""
