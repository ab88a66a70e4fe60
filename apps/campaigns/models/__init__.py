from apps.campaigns.models.approval import Approval
from apps.campaigns.models.campaign import DRAFT, MISSED, SCHEDULED, Campaign, CampaignQuerySet
from apps.campaigns.models.dry_run import DryRun

__all__ = ["DRAFT", "MISSED", "SCHEDULED", "Approval", "Campaign", "CampaignQuerySet", "DryRun"]
