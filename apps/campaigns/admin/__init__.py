"""The campaign's pages in admin: from draft to launch here, everything after in `watching`."""

from apps.campaigns.admin.campaigns import CampaignAdmin
from apps.campaigns.admin.templates import TemplateAdmin

__all__ = ["CampaignAdmin", "TemplateAdmin"]
