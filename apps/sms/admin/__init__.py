"""The operators' pages of texts."""

from apps.sms.admin import campaigns, lists, logs, settings_pages, subscribers

__all__ = ["campaigns", "lists", "logs", "settings_pages", "subscribers"]
