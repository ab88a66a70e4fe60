"""Importing a file through the web: uploaded, looked at, mapped, previewed, imported.

- storing: the file on disk, in a folder of its own
- looking: its columns and first rows, before anything is decided
- deciding: the operator's steps, each a change of the row's state
- advancing: a worker's part, which any worker can take over
- due, pruning: what waits for a worker; what is kept how long
"""
