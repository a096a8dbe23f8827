"""Who takes part: the libraries that are installed here, and what each of them weighs."""

from __future__ import annotations

import re
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

__all__ = ["BY_HAND", "CONTENDERS", "INSTALL", "distributions", "is_installed", "size_of"]

BY_HAND = "NumPy by hand"
CONTENDERS = ("pullback", BY_HAND, "torch", "jax", "tensorflow", "tinygrad", "autograd", "micrograd")
INSTALL = "not installed: pip install 'pullback[bench]'"


def is_installed(contender: str) -> bool:
    """Whether the contender can be imported here."""
    return find_spec("numpy" if contender == BY_HAND else contender) is not None


def distributions(name: str) -> list[str]:
    """The distribution `name` and all that it requires, directly or not, of what is installed."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [name]
    while waiting:
        key = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if key in found:
            continue
        try:
            found[key] = metadata.distribution(key)
        except metadata.PackageNotFoundError:
            continue  # required on another platform, or only by an extra
        required = (r for r in found[key].requires or [] if "extra ==" not in r)
        waiting += [match[0] for r in required if (match := re.match(r"[A-Za-z0-9._-]+", r))]
    return list(found)


def size_of(name: str) -> int:
    """The bytes of the files of one installed distribution, without compiled Python files."""
    if name == "pullback":  # an editable installation lists only a pointer to the sources
        spec = find_spec("pullback")
        assert spec is not None and spec.origin is not None
        files = [p for p in Path(spec.origin).parent.rglob("*") if p.is_file()]
    else:
        listed = metadata.distribution(name).files or []
        files = [path for f in listed if (path := Path(str(f.locate()))).is_file()]
    return sum(p.stat().st_size for p in files if p.suffix != ".pyc")
