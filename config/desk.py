"""How admin looks: its name, its colours, and what stands in its side bar."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static

# Each line: the model, its icon (a Material symbol), its name where it differs from the model's.
# A model without a page in admin is left out, and so is one of which the operator may see nothing.
SIDEBAR: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Campaigns",
        (
            ("campaigns.Campaign", "campaign", "Campaigns"),
            ("newsletter.Digest", "newspaper", "Digests"),
            ("newsletter.Sequence", "conversion_path", "Sequences"),
            ("newsletter.Enrolment", "directions_walk", "People in sequences"),
            ("mail.Template", "draft", "Templates"),
        ),
    ),
    (
        "People",
        (
            ("contacts.Contact", "group", "Contacts"),
            ("contacts.Topic", "label", "Topics"),
            ("contacts.Suppression", "block", "Suppressions"),
            ("contacts.FileUpload", "upload_file", "Imports"),
            ("newsletter.Tier", "stairs", "Tiers"),
            ("newsletter.ScoreRule", "calculate", "Score rules"),
            ("newsletter.ContactSubmission", "forward_to_inbox", "Contact form"),
        ),
    ),
    (
        "Mail",
        (
            ("mail.Mailing", "outgoing_mail", "Mailings"),
            ("mail.Message", "mail", "Recipients"),
            ("mail.Batch", "stacked_email", "Batches"),
            ("mail.DeliveryEvent", "move_to_inbox", "Delivery events"),
            ("mail.MachineRule", "smart_toy", "Machines"),
        ),
    ),
    (
        "Texts",
        (
            ("sms.TextCampaign", "sms", "Text campaigns"),
            ("sms.TextMessage", "chat", "Messages"),
            ("sms.Subscriber", "smartphone", "Subscribers"),
            ("sms.TrackingEvent", "ads_click", "Events"),
            ("sms.ChoiceRun", "rule", "Minutes"),
            ("sms.OptInList", "checklist", "Lists"),
            ("sms.ListSyncRun", "sync", "List syncs"),
            ("sms.TextReply", "reply", "Answers to words"),
            ("sms.LimeCallback", "call_received", "Provider's calls"),
            ("sms.TextConfig", "tune", "Settings of texts"),
            ("sms.Keyword", "key_visualizer", "Words"),
            ("sms.StateHours", "schedule", "Hours of states"),
            ("sms.PhoneSuppression", "block", "Suppressed numbers"),
            ("sms.EventSource", "webhook", "Event webhooks"),
            ("sms.SubscribeFlag", "flag", "Subscribe fields"),
            ("sms.KeyBrand", "vpn_key", "Further brands of keys"),
        ),
    ),
    (
        "Queues",
        (
            ("queues.QueueStanding", "monitor_heart", "Health"),
            ("queues.DeadLetter", "running_with_errors", "Dead letters"),
            ("queues.Alert", "notifications_active", "Alerts"),
            ("queues.SchedulePeriod", "schedule", "Scheduled jobs"),
            ("waffle.Switch", "toggle_on", "Flags"),
            ("newsletter.CacheInvalidation", "cached", "Cache invalidations"),
            ("newsletter.SegmentWish", "sync_alt", "Segment queue"),
            ("newsletter.SegmentPass", "receipt_long", "Segment passes"),
        ),
    ),
    (
        "Set-up",
        (
            ("brands.Brand", "storefront", "Brands"),
            ("brands.Sender", "alternate_email", "Senders"),
            ("newsletter.JoiningRules", "how_to_reg", "Joining rules"),
            ("newsletter.ManagedSegment", "category", "Managed segments"),
            ("newsletter.ProviderTopic", "new_label", "Topics at the provider"),
            ("brands.ProviderAccount", "cloud", "Provider accounts"),
            ("brands.ApiKey", "key", "API keys"),
            ("station.WebhookEndpoint", "webhook", "Webhooks"),
            ("station.WebhookDelivery", "outbox", "Webhook log"),
            ("auth.User", "person", "Operators"),
            ("brands.Grant", "shield_person", "Rights"),
            ("brands.AuditEntry", "history", "Audit log"),
        ),
    ),
)

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Flux Station",
    "SITE_HEADER": "Flux Station",
    "SITE_SYMBOL": "hub",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda _request: static("brands/icon.svg"),
        },
    ],
    "SITE_URL": None,
    "ENVIRONMENT": "apps.brands.admin.navigation.environment",
    "DASHBOARD_CALLBACK": "apps.station.desk.home.dashboard",
    "COLORS": {
        # Dark enough from 600 on for white text on it (at least 4.5 : 1).
        "primary": {
            "50": "oklch(97.7% .013 236.62)",
            "100": "oklch(95.1% .026 236.824)",
            "200": "oklch(90.1% .058 230.902)",
            "300": "oklch(82.8% .111 230.318)",
            "400": "oklch(74.6% .16 232.661)",
            "500": "oklch(66% .15 240)",
            "600": "oklch(50% .134 242.749)",
            "700": "oklch(44.3% .11 240.79)",
            "800": "oklch(39.1% .09 240.876)",
            "900": "oklch(34% .08 241)",
            "950": "oklch(29.3% .066 243.157)",
        },
    },
    "SIDEBAR": {"show_search": False, "navigation": "apps.brands.admin.navigation.sidebar"},
}
