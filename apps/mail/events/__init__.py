"""Delivery events: a webhook is verified on its raw bytes, stored once, answered, worked off later.

`signatures` says whether the provider sent it, `receiving` stores it, `reading` says what it means
and `applying` carries that out, page by page.
"""
