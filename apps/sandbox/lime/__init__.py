"""A stand-in for the Lime Cellular API (texts, lists of people, callbacks).

One request may carry many texts; a text is what the log counts. There is no idempotency key and no
message id: a request sent twice is two texts to the same person, which is what the log is there to
show.

What is not public is a choice that can be set: the limits (429 with `retry-after`), what an error
answers with where JSON was asked for, and which of 103 and 105 means which.
"""
