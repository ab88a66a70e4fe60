"""Whose mail and texts these are: brand, sender, provider accounts."""
