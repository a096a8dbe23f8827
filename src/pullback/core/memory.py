"""Keeping the memory that arrays gave back.

A training step frees the same few arrays that the next step needs. The C library of Linux hands blocks
of more than 128 KiB back to the kernel at once and takes them again page by page, which costs a small
step a third of its time, until it has seen a larger block being freed: from then on it keeps blocks up
to that size (glibc manual, "Malloc Tunable Parameters": the dynamic M_MMAP_THRESHOLD, at most 32 MiB).
"""

from __future__ import annotations

import numpy as np

__all__ = ["keep_freed"]

_BLOCK = 31 << 20  # bytes; just below glibc's largest threshold


def keep_freed() -> None:
    """Show the C library one large block, never touched and freed at once; elsewhere this does nothing."""
    np.empty(_BLOCK, np.uint8)
