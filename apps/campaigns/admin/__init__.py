"""The campaign's pages in admin: from draft to launch here, everything after in `watching`."""

from apps.campaigns.admin.campaigns import CampaignAdmin

__all__ = ["CampaignAdmin"]
