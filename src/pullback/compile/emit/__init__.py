"""Emitted code: types, functions as LLVM text, and the machine that runs them."""
