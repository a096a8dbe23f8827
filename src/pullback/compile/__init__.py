"""Compilation of a traced function to native code."""
