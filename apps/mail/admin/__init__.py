"""Mail in admin: mailings, their recipients, single messages, mails in doubt."""

from apps.mail.admin.mailings import MailingAdmin

__all__ = ["MailingAdmin"]
