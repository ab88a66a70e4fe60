"""Engagement: what people did becomes a score, and the score a tier (docs/adr/0019).

`scoring` counts, `touched` finds whose score may have changed, `recomputing` counts everybody of a
brand anew, and `explaining` says why somebody has the score they have.
"""
