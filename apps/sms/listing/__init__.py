"""Keeping subscribers in step with the provider's lists of opted-in people.

- fetching, documents, records: from the provider's bytes to a person or a reason, memory flat
- staging, merging: a temporary table filled by COPY, one statement, the rejects
- running: one attempt after the other under a lease; starting, due: what makes it run
"""
