"""Segments at the provider: what is wanted for each contact, and the worker that sees to it.

`wishes` is what other parts of the newsletter call; the rest works off what it wrote.
"""
