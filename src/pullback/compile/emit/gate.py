"""The gate in front of a plan, as native code: it asks whether everything is as the last run left it, and runs it.

Python calls it with the arguments of the compiled function. It looks into the objects where CPython and NumPy keep
what it needs, compares, enters the addresses of the arguments' numbers in the plan's table, and calls the plan. What
it has to look for stands in a block of words, one a plan; the code is the same for all.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ARRAY", "ARRAY_TYPE", "CALLEE", "CHECKED_FLAGS", "COUNT", "GUARDS", "HEAD", "HOLD", "LINKLESS", "MISSED",
    "OUTPUTS", "OWNER", "RAN", "STATUS", "STOPPED", "TABLE", "VALUE_TYPE", "Layout", "gate_text",
]  # fmt: skip

(
    CALLEE,  # address of the plan's code; 0 where it is only to be seen whether it may run
    TABLE,  # address of the plan's table of addresses
    STATUS,  # address of the plan's status
    HOLD,  # address of Py_IncRef
    MISSED,  # address of the object to answer with when something is not as expected,
    RAN,  # when the plan has run, or may,
    STOPPED,  # and when a check in it failed
    ARRAY_TYPE,  # address of numpy.ndarray
    VALUE_TYPE,  # address of the class of values
    OWNER,  # address of the owner that values must have,
    LINKLESS,  # and of their link: None
    COUNT,  # how many arguments there are, each with
    ARRAY,  # how many words each takes in the block: dtype, entry in the table, number of axes, lengths
    GUARDS,  # how many guards: address of a slot, address of the object in it, its count of references or 0
    OUTPUTS,  # how many outputs: address of a slot that holds a new array, entry in the table
    HEAD,  # how many words come before the arguments; then guards, then outputs
) = range(16)
"""The words of a block."""

CHECKED_FLAGS = 0x101
"""Flags that an array must have: consecutive in the usual order, and aligned."""


@dataclass(frozen=True)
class Layout:
    """At which byte of an object its parts stand."""

    type: int
    data: int
    axes: int
    lengths: int
    dtype: int
    flags: int
    payload: int
    owner: int
    link: int


def gate_text(at: Layout) -> str:
    """Return the module with `gate(self, arguments, count)`, which Python calls as a built-in function."""
    words = {name: 8 * number for name, number in globals().items() if name.isupper() and isinstance(number, int)}
    return _TEXT.format(**words, **{f"at_{name}": place for name, place in vars(at).items()}, flags=CHECKED_FLAGS)


_TEXT = """\
define ptr @gate(ptr %self, ptr %arguments, i64 %count) nounwind {{
entry:
  %block.at = getelementptr i8, ptr %self, i64 {at_data}
  %block = load ptr, ptr %block.at
  %count.at = getelementptr i8, ptr %block, i64 {COUNT}
  %expected.count = load i64, ptr %count.at
  %counted = icmp eq i64 %count, %expected.count
  br i1 %counted, label %begin, label %missed

begin:
  %table.at = getelementptr i8, ptr %block, i64 {TABLE}
  %table = load ptr, ptr %table.at
  %array.type.at = getelementptr i8, ptr %block, i64 {ARRAY_TYPE}
  %array.type = load ptr, ptr %array.type.at
  %head = getelementptr i8, ptr %block, i64 {HEAD}
  %guards.at = getelementptr i8, ptr %block, i64 {GUARDS}
  %guards = load i64, ptr %guards.at
  %outputs.at = getelementptr i8, ptr %block, i64 {OUTPUTS}
  %outputs = load i64, ptr %outputs.at
  %width.at = getelementptr i8, ptr %block, i64 {ARRAY}
  %width = load i64, ptr %width.at
  %arguments.words = mul i64 %count, %width
  %first.guard = getelementptr i64, ptr %head, i64 %arguments.words
  br label %guard

guard:
  %g = phi i64 [0, %begin], [%g.next, %guard.kept]
  %guard.at = phi ptr [%first.guard, %begin], [%guard.next, %guard.kept]
  %more.guards = icmp ult i64 %g, %guards
  br i1 %more.guards, label %guard.look, label %argument

guard.look:
  %slot = load ptr, ptr %guard.at
  %held = load ptr, ptr %slot
  %wanted.at = getelementptr i64, ptr %guard.at, i64 1
  %wanted = load ptr, ptr %wanted.at
  %same = icmp eq ptr %held, %wanted
  br i1 %same, label %guard.count, label %missed

guard.count:
  %holders.at = getelementptr i64, ptr %guard.at, i64 2
  %holders = load i64, ptr %holders.at
  %any = icmp eq i64 %holders, 0
  br i1 %any, label %guard.kept, label %guard.counted

guard.counted:
  %present = load i32, ptr %wanted
  %present.wide = zext i32 %present to i64
  %alone = icmp eq i64 %present.wide, %holders
  br i1 %alone, label %guard.kept, label %missed

guard.kept:
  %g.next = add i64 %g, 1
  %guard.next = getelementptr i64, ptr %guard.at, i64 3
  br label %guard

argument:
  %a = phi i64 [0, %guard], [%a.next, %argument.taken]
  %argument.at = phi ptr [%head, %guard], [%argument.next, %argument.taken]
  %more.arguments = icmp ult i64 %a, %count
  br i1 %more.arguments, label %argument.look, label %output

argument.look:
  %object.at = getelementptr ptr, ptr %arguments, i64 %a
  %object = load ptr, ptr %object.at
  %object.type.at = getelementptr i8, ptr %object, i64 {at_type}
  %object.type = load ptr, ptr %object.type.at
  %plain = icmp eq ptr %object.type, %array.type
  br i1 %plain, label %array.look, label %value.look

value.look:
  %value.type.at = getelementptr i8, ptr %block, i64 {VALUE_TYPE}
  %value.type = load ptr, ptr %value.type.at
  %is.value = icmp eq ptr %object.type, %value.type
  br i1 %is.value, label %value.owner, label %missed

value.owner:
  %owner.at = getelementptr i8, ptr %object, i64 {at_owner}
  %owner = load ptr, ptr %owner.at
  %right.owner.at = getelementptr i8, ptr %block, i64 {OWNER}
  %right.owner = load ptr, ptr %right.owner.at
  %owned = icmp eq ptr %owner, %right.owner
  br i1 %owned, label %value.link, label %missed

value.link:
  %link.at = getelementptr i8, ptr %object, i64 {at_link}
  %link = load ptr, ptr %link.at
  %none.at = getelementptr i8, ptr %block, i64 {LINKLESS}
  %none = load ptr, ptr %none.at
  %linkless = icmp eq ptr %link, %none
  br i1 %linkless, label %value.payload, label %missed

value.payload:
  %payload.at = getelementptr i8, ptr %object, i64 {at_payload}
  %payload = load ptr, ptr %payload.at
  %empty = icmp eq ptr %payload, null
  br i1 %empty, label %missed, label %payload.look

payload.look:
  %payload.type.at = getelementptr i8, ptr %payload, i64 {at_type}
  %payload.type = load ptr, ptr %payload.type.at
  %payload.plain = icmp eq ptr %payload.type, %array.type
  br i1 %payload.plain, label %array.look, label %missed

array.look:
  %array = phi ptr [%object, %argument.look], [%payload, %payload.look]
  %dtype.at = getelementptr i8, ptr %array, i64 {at_dtype}
  %dtype = load ptr, ptr %dtype.at
  %right.dtype = load ptr, ptr %argument.at
  %typed = icmp eq ptr %dtype, %right.dtype
  br i1 %typed, label %array.flags, label %missed

array.flags:
  %flags.at = getelementptr i8, ptr %array, i64 {at_flags}
  %flags = load i32, ptr %flags.at
  %kept.flags = and i32 %flags, {flags}
  %usual = icmp eq i32 %kept.flags, {flags}
  br i1 %usual, label %array.axes, label %missed

array.axes:
  %axes.at = getelementptr i8, ptr %array, i64 {at_axes}
  %axes = load i32, ptr %axes.at
  %axes.wide = zext i32 %axes to i64
  %right.axes.at = getelementptr i64, ptr %argument.at, i64 2
  %right.axes = load i64, ptr %right.axes.at
  %as.many = icmp eq i64 %axes.wide, %right.axes
  br i1 %as.many, label %array.lengths, label %missed

array.lengths:
  %lengths.at = getelementptr i8, ptr %array, i64 {at_lengths}
  %lengths = load ptr, ptr %lengths.at
  %right.lengths = getelementptr i64, ptr %argument.at, i64 3
  br label %axis

axis:
  %d = phi i64 [0, %array.lengths], [%d.next, %axis.same]
  %more.axes = icmp ult i64 %d, %right.axes
  br i1 %more.axes, label %axis.look, label %argument.taken

axis.look:
  %length.at = getelementptr i64, ptr %lengths, i64 %d
  %length = load i64, ptr %length.at
  %right.length.at = getelementptr i64, ptr %right.lengths, i64 %d
  %right.length = load i64, ptr %right.length.at
  %as.long = icmp eq i64 %length, %right.length
  br i1 %as.long, label %axis.same, label %missed

axis.same:
  %d.next = add i64 %d, 1
  br label %axis

argument.taken:
  %data.at = getelementptr i8, ptr %array, i64 {at_data}
  %data = load ptr, ptr %data.at
  %entry.at = getelementptr i64, ptr %argument.at, i64 1
  %entry.number = load i64, ptr %entry.at
  %place = getelementptr ptr, ptr %table, i64 %entry.number
  store ptr %data, ptr %place
  %a.next = add i64 %a, 1
  %argument.next = getelementptr i64, ptr %argument.at, i64 %width
  br label %argument

output:
  %o = phi i64 [0, %argument], [%o.next, %output.taken]
  %output.at = phi ptr [%guard.at, %argument], [%output.next, %output.taken]
  %more.outputs = icmp ult i64 %o, %outputs
  br i1 %more.outputs, label %output.taken, label %run

output.taken:
  %new.slot = load ptr, ptr %output.at
  %new = load ptr, ptr %new.slot
  %new.data.at = getelementptr i8, ptr %new, i64 {at_data}
  %new.data = load ptr, ptr %new.data.at
  %new.entry.at = getelementptr i64, ptr %output.at, i64 1
  %new.entry = load i64, ptr %new.entry.at
  %new.place = getelementptr ptr, ptr %table, i64 %new.entry
  store ptr %new.data, ptr %new.place
  %o.next = add i64 %o, 1
  %output.next = getelementptr i64, ptr %output.at, i64 2
  br label %output

run:
  %callee.at = getelementptr i8, ptr %block, i64 {CALLEE}
  %callee = load ptr, ptr %callee.at
  %only.asked = icmp eq ptr %callee, null
  br i1 %only.asked, label %ran, label %run.now

run.now:
  call void %callee(ptr %table)
  %status.at = getelementptr i8, ptr %block, i64 {STATUS}
  %status.word = load ptr, ptr %status.at
  %status = load i64, ptr %status.word
  %failed = icmp ne i64 %status, 0
  br i1 %failed, label %stopped, label %ran

stopped:
  store i64 0, ptr %status.word
  br label %answer

missed:
  br label %answer

ran:
  br label %answer

answer:
  %which = phi i64 [{MISSED}, %missed], [{RAN}, %ran], [{STOPPED}, %stopped]
  %answer.at = getelementptr i8, ptr %block, i64 %which
  %found = load ptr, ptr %answer.at
  %hold.at = getelementptr i8, ptr %block, i64 {HOLD}
  %hold = load ptr, ptr %hold.at
  call void %hold(ptr %found)
  ret ptr %found
}}
"""
