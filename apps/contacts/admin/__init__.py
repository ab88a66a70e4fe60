"""Contacts, topics, suppressions and imports in the admin."""

from apps.contacts.admin.contacts import ContactAdmin
from apps.contacts.admin.suppressions import SuppressionAdmin
from apps.contacts.admin.topics import TopicAdmin
from apps.contacts.admin.uploads import FileUploadAdmin

__all__ = ["ContactAdmin", "FileUploadAdmin", "SuppressionAdmin", "TopicAdmin"]
