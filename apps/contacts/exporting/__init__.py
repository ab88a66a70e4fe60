"""Contacts as CSV, page by page: streamed to a browser, or into a file that can be gone on with.

- rows: what a line holds, cells that a spreadsheet would run as a formula made harmless
- writing: a file with a mark of how far it came
"""
