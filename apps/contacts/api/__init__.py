"""Contacts, topics and suppressions of the key's brand."""
