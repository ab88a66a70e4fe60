"""Importing contacts from a file: look at it, read it, stage it in chunks, merge it at once.

- inspecting, dialect, heading, columns, planning: what the file is, before anything is written
- lines, records, people: from bytes to a person or a reason, memory flat
- reading, staging, merging, rejects: an unlogged table filled in chunks, one statement, the rows
  to correct
- running: the way through all of it, on from where it stopped
"""
