"""Control flow that can be differentiated, batched and recorded: scan, map, fori_loop, while_loop and cond."""

from . import scan_backward, scan_batch, scan_forward  # the facets of the mapping behind scan
from .cond import cond
from .scan import fori_loop, map, scan
from .while_loop import while_loop

__all__ = ["cond", "fori_loop", "map", "scan", "while_loop"]
