"""Contacts, topics, suppressions and imports in the admin."""
