"""Mail in admin: mailings, their recipients, single messages, mails in doubt, machines."""

from apps.mail.admin.machines import MachineRuleAdmin
from apps.mail.admin.mailings import MailingAdmin

__all__ = ["MachineRuleAdmin", "MailingAdmin"]
