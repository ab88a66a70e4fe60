"""Calling the provider: chunks are claimed, marked, called and settled; nothing is sent twice."""
