"""Templates and campaigns of the key's brand.

Templates are here and not with mail: writing one asks which drafts use it.
"""
