"""Bridges to other libraries. Each file is imported when it is first needed."""
