"""The command line: `pullback train …`."""

from .main import main

__all__ = ["main"]
