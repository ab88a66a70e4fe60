"""Django settings of the station, for every environment; what differs comes from variables.

The variables are listed with their meaning and defaults in `docs/settings.md`.
"""

from __future__ import annotations

from pathlib import Path

import environ

from config import desk
from config.environment import Reader, SettingProblem, quit_on_problem
from config.logs import configure_logs
from config.metrics import share_metrics
from config.reporting import report_errors

BASE_DIR = Path(__file__).resolve().parent.parent

try:
    read = Reader()

    # --- What this installation is ----------------------------------------------------------
    ENVIRONMENT = read.choice(
        "FLUX_ENVIRONMENT",
        options=("production", "up", "demo", "test", "faults", "bench"),
        default="production",
    )
    DEBUG = read.flag("DJANGO_DEBUG", default=False)
    SECRET_KEY = read.secret("DJANGO_SECRET_KEY", at_least=40)
    ALLOWED_HOSTS = read.words("DJANGO_ALLOWED_HOSTS", default=("localhost", "127.0.0.1"))
    PUBLIC_BASE_URL = read.url("PUBLIC_BASE_URL", schemes=("https", "http")).rstrip("/")
    VAR_DIR = Path(read.text("FLUX_VAR_DIR", default=str(BASE_DIR / "var")))

    # --- Keys: apart from SECRET_KEY, so that each can be rotated alone ------------------------
    SECRETS_KEYS = read.versioned_keys("FLUX_SECRETS_KEYS")  # provider keys at rest
    LINK_KEYS = read.versioned_keys("FLUX_LINK_KEYS")  # unsubscribe links
    ERASURE_KEYS = read.versioned_keys("FLUX_ERASURE_KEYS")  # digests of erased addresses

    # --- Servers ------------------------------------------------------------------------------
    DATABASE_URL = read.url("DATABASE_URL", schemes=("postgres", "postgresql"))
    REDIS_URL = read.url("REDIS_URL", schemes=("redis", "rediss", "unix"))
    RESEND_API_URL = read.url(
        "RESEND_API_URL", schemes=("https", "http"), default="https://api.resend.com"
    ).rstrip("/")
    LIME_API_URL = read.url(
        "LIME_API_URL", schemes=("https", "http"), default="https://mcpn.us"
    ).rstrip("/")

    # --- Lists of opted-in people -------------------------------------------------------------
    # A sync's task may take 900 seconds, and the merge comes after the download.
    LIST_SYNC_SECONDS = read.number("FLUX_LIST_SYNC_SECONDS", default=600, at_least=1, at_most=780)
    LIST_MAX_BYTES = read.whole_number(
        "FLUX_LIST_MAX_BYTES", default=2 * 1024**3, at_least=1024 * 1024
    )

    # --- Sending ------------------------------------------------------------------------------
    BATCH_LEASE_SECONDS = read.number("FLUX_BATCH_LEASE_SECONDS", default=90, at_least=0.5)
    PROVIDER_CONNECT_SECONDS = read.number(
        "FLUX_PROVIDER_CONNECT_SECONDS", default=5, at_least=0.05
    )
    PROVIDER_READ_SECONDS = read.number("FLUX_PROVIDER_READ_SECONDS", default=30, at_least=0.05)
    PROVIDER_TOTAL_SECONDS = read.number("FLUX_PROVIDER_TOTAL_SECONDS", default=45, at_least=0.1)
    RETRY_BASE_SECONDS = read.number("FLUX_RETRY_BASE_SECONDS", default=1, at_least=0.01)
    RETRY_CAP_SECONDS = read.number("FLUX_RETRY_CAP_SECONDS", default=300, at_least=0.01)
    # The provider remembers a key for 24 h; an hour is left for clocks and for calls under way.
    IDEMPOTENCY_KEY_SECONDS = read.number(
        "FLUX_IDEMPOTENCY_KEY_SECONDS", default=23 * 3600, at_least=1, at_most=23 * 3600
    )
    THROTTLE_BUDGET_SECONDS = read.number(
        "FLUX_THROTTLE_BUDGET_SECONDS", default=6 * 3600, at_least=1
    )
    THROTTLE_BUDGET_COUNT = read.whole_number("FLUX_THROTTLE_BUDGET_COUNT", default=500, at_least=1)
    UNSENT_BUDGET_SECONDS = read.number("FLUX_UNSENT_BUDGET_SECONDS", default=86400, at_least=1)
    BODY_RETENTION_HOURS = read.number("FLUX_BODY_RETENTION_HOURS", default=48, at_least=0)
    MESSAGE_RETENTION_MONTHS = read.whole_number(
        "FLUX_MESSAGE_RETENTION_MONTHS", default=25, at_least=1
    )
    EVENT_RETENTION_MONTHS = read.whole_number("FLUX_EVENT_RETENTION_MONTHS", default=3, at_least=1)
    AUDIT_RETENTION_MONTHS = read.whole_number(
        "FLUX_AUDIT_RETENTION_MONTHS", default=25, at_least=1
    )
    # Single mails that come close together share a provider call.
    SINGLE_GATHER_MS = read.whole_number("FLUX_SINGLE_GATHER_MS", default=250, at_least=0)
    # Uploaded files: a folder that web and the workers of the queue `imports` share.
    IMPORT_DIR = Path(read.text("FLUX_IMPORT_DIR", default=str(VAR_DIR / "imports")))
    IMPORT_LIMIT_MB = read.whole_number("FLUX_IMPORT_LIMIT_MB", default=200, at_least=1)
    IMPORT_RETENTION_DAYS = read.whole_number("FLUX_IMPORT_RETENTION_DAYS", default=7, at_least=1)
    # Texts: months of the sent log in the database, and the folder for those that were let go.
    SENT_LOG_RETENTION_MONTHS = read.whole_number(
        "FLUX_SENT_LOG_RETENTION_MONTHS", default=13, at_least=1
    )
    SENT_LOG_ARCHIVE_DIR = Path(
        read.text("FLUX_SENT_LOG_ARCHIVE_DIR", default=str(VAR_DIR / "sent-log"))
    )
    # Outgoing webhooks: our calls to addresses that operators chose.
    WEBHOOK_TOTAL_SECONDS = read.number("FLUX_WEBHOOK_TOTAL_SECONDS", default=15, at_least=0.1)
    WEBHOOK_LEASE_SECONDS = read.number("FLUX_WEBHOOK_LEASE_SECONDS", default=90, at_least=0.5)
    WEBHOOK_DISABLE_DAYS = read.number("FLUX_WEBHOOK_DISABLE_DAYS", default=5, at_least=0.01)
    WEBHOOK_RETENTION_MONTHS = read.whole_number(
        "FLUX_WEBHOOK_RETENTION_MONTHS", default=2, at_least=1
    )
    WEBHOOK_LOOPBACK = read.flag("FLUX_WEBHOOK_LOOPBACK", default=ENVIRONMENT != "production")
    # What digests are read from: addresses that operators chose.
    FEED_TOTAL_SECONDS = read.number("FLUX_FEED_TOTAL_SECONDS", default=10, at_least=0.1)
    FEED_LIMIT_KB = read.whole_number("FLUX_FEED_LIMIT_KB", default=2_000, at_least=1)
    FEED_TRIES = read.whole_number("FLUX_FEED_TRIES", default=4, at_least=1)
    FEED_RETRY_SECONDS = read.number("FLUX_FEED_RETRY_SECONDS", default=30, at_least=0.05)
    FEED_LOOPBACK = read.flag("FLUX_FEED_LOOPBACK", default=ENVIRONMENT != "production")
    RUN_RETENTION_MONTHS = read.whole_number("FLUX_RUN_RETENTION_MONTHS", default=3, at_least=1)
    SWEEP_SECONDS = read.number("FLUX_SWEEP_SECONDS", default=1, at_least=0.05)
    # Work that nobody came for in so long is worked off without the broker.
    DRAIN_AFTER_SECONDS = read.number("FLUX_DRAIN_AFTER_SECONDS", default=10, at_least=0)
    # A worker that settled nothing for so long, while work was due, is started anew.
    STALL_SECONDS = read.number("FLUX_STALL_SECONDS", default=60, at_least=1)
    # Where a supervisor listens (systemd's Type=notify, or that of `make up`).
    NOTIFY_SOCKET = read.text("NOTIFY_SOCKET", default="")
    # Told after each run of a scheduled job, for a watcher outside.
    HEARTBEAT_URLS = read.named_urls("FLUX_HEARTBEAT_URLS", schemes=("https", "http"))
    LIMITER_WORKER_FLOOR = read.whole_number("FLUX_LIMITER_WORKER_FLOOR", default=10, at_least=1)
    LIMITER_LATE_MS = read.number("FLUX_LIMITER_LATE_MS", default=80, at_least=20, at_most=1000)
    # --- Holding back from a provider or a queue in trouble -------------------------------------
    BREAKER_WINDOW_SECONDS = read.number(
        "FLUX_BREAKER_WINDOW_SECONDS", default=30, at_least=1, at_most=3600
    )
    BREAKER_LEAST_CALLS = read.whole_number("FLUX_BREAKER_LEAST_CALLS", default=20, at_least=1)
    BREAKER_ERROR_SHARE = read.number(
        "FLUX_BREAKER_ERROR_SHARE", default=0.5, at_least=0.01, at_most=1
    )
    BREAKER_RUN = read.whole_number("FLUX_BREAKER_RUN", default=10, at_least=1)
    BREAKER_HOLD_SECONDS = read.number("FLUX_BREAKER_HOLD_SECONDS", default=5, at_least=0.05)
    BREAKER_LONGEST_HOLD_SECONDS = read.number(
        "FLUX_BREAKER_LONGEST_HOLD_SECONDS", default=300, at_least=BREAKER_HOLD_SECONDS
    )
    # A probe may wait a third of the lease for its slot and then calls: both end inside this.
    BREAKER_PROBE_SECONDS = read.number(
        "FLUX_BREAKER_PROBE_SECONDS",
        default=BATCH_LEASE_SECONDS,
        at_least=PROVIDER_TOTAL_SECONDS + BATCH_LEASE_SECONDS / 3,
    )
    QUEUE_HOLD_RUN = read.whole_number("FLUX_QUEUE_HOLD_RUN", default=6, at_least=1)
    QUEUE_HOLD_SECONDS = read.number("FLUX_QUEUE_HOLD_SECONDS", default=5, at_least=0.05)
    QUEUE_LONGEST_HOLD_SECONDS = read.number(
        "FLUX_QUEUE_LONGEST_HOLD_SECONDS", default=300, at_least=QUEUE_HOLD_SECONDS
    )
    # --- Engagement -----------------------------------------------------------------------------
    # Nobody reads a mail within so many seconds of its delivery: that was a machine.
    MACHINE_SECONDS = read.number("FLUX_MACHINE_SECONDS", default=2, at_least=0, at_most=60)
    PULSE_CALL_LIMIT = read.whole_number("FLUX_PULSE_CALL_LIMIT", default=5000, at_least=1)
    PULSE_BODY_BYTES = read.whole_number("FLUX_PULSE_BODY_BYTES", default=4_000_000, at_least=1000)
    # While more interactions than that wait to be stored, no more are taken.
    PULSE_WATERMARK_ROWS = read.whole_number(
        "FLUX_PULSE_WATERMARK_ROWS", default=2_000_000, at_least=1
    )
    PULSE_LEASE_SECONDS = read.number("FLUX_PULSE_LEASE_SECONDS", default=90, at_least=0.5)
    INTERACTION_RETENTION_MONTHS = read.whole_number(
        "FLUX_INTERACTION_RETENTION_MONTHS", default=14, at_least=1
    )
    SCORE_RETENTION_MONTHS = read.whole_number(
        "FLUX_SCORE_RETENTION_MONTHS", default=14, at_least=1
    )
    # --- Segments at the provider ---------------------------------------------------------------
    # Between two calls for one contact, and up to so much more, which differs from one to another.
    SEGMENT_MIN_INTERVAL_MS = read.whole_number(
        "FLUX_SEGMENT_MIN_INTERVAL_MS", default=1200, at_least=0
    )
    SEGMENT_JITTER_MS = read.whole_number("FLUX_SEGMENT_JITTER_MS", default=300, at_least=0)
    # A wish rests for so long, so that what follows at once goes with it.
    SEGMENT_BURST_MS = read.whole_number("FLUX_SEGMENT_BURST_MS", default=1000, at_least=0)
    # What was told of a contact's segments is believed for so long; 0 asks in each pass.
    SEGMENT_KNOWN_FRESH_SECONDS = read.number(
        "FLUX_SEGMENT_KNOWN_FRESH_SECONDS", default=86400, at_least=0
    )
    SEGMENT_LEASE_SECONDS = read.number("FLUX_SEGMENT_LEASE_SECONDS", default=90, at_least=0.5)
    SEGMENT_PASS_RETENTION_MONTHS = read.whole_number(
        "FLUX_SEGMENT_PASS_RETENTION_MONTHS", default=6, at_least=1
    )
    # --- Texts ----------------------------------------------------------------------------------
    # Where tracked links in texts begin: a short domain of its own, or the station's address.
    TEXT_LINK_BASE_URL = read.url(
        "FLUX_TEXT_LINK_BASE_URL", schemes=("https", "http"), default=PUBLIC_BASE_URL
    ).rstrip("/")
    # What somebody does so many days after a text is put down to it.
    TEXT_ATTRIBUTION_DAYS = read.number(
        "FLUX_TEXT_ATTRIBUTION_DAYS", default=7, at_least=0, at_most=365
    )
    # The same event of a person within so many seconds is one, where it has no id.
    TEXT_EVENT_BUCKET_SECONDS = read.number(
        "FLUX_TEXT_EVENT_BUCKET_SECONDS", default=600, at_least=1, at_most=86_400
    )
    TEXT_EVENT_RETENTION_MONTHS = read.whole_number(
        "FLUX_TEXT_EVENT_RETENTION_MONTHS", default=25, at_least=1
    )
    TEXT_CALLBACK_RETENTION_DAYS = read.whole_number(
        "FLUX_TEXT_CALLBACK_RETENTION_DAYS", default=90, at_least=1
    )
    TEXT_SEGMENT_PRICE = read.number(
        "FLUX_TEXT_SEGMENT_PRICE", default=0.01, at_least=0, at_most=100
    )
    TEXT_CURRENCY = read.text("FLUX_TEXT_CURRENCY", default="USD")
    # Whence the provider of texts calls; empty: from anywhere, by the secret path alone.
    LIME_CALLBACK_NETWORKS = read.networks("FLUX_LIME_CALLBACK_NETWORKS", default="")
    # --- Being watched ------------------------------------------------------------------------
    METRICS_DIR = Path(read.text("FLUX_METRICS_DIR", default=str(VAR_DIR / "metrics")))
    share_metrics(METRICS_DIR)
    # Without a token only this very machine may read the metrics.
    METRICS_TOKEN = read.text("FLUX_METRICS_TOKEN", default="")
    WATCH_SECONDS = read.whole_number("FLUX_WATCH_SECONDS", default=15, at_least=1)
    ALERT_WEBHOOK_URL = read.optional_url("FLUX_ALERT_WEBHOOK_URL", schemes=("https", "http"))
    FLOWER_LINK = read.optional_url("FLUX_FLOWER_LINK", schemes=("https", "http"))
    SENTRY_DSN = read.text("SENTRY_DSN", default="")
    LOG_FORMAT = read.choice(
        "FLUX_LOG_FORMAT", options=("json", "console"), default="console" if DEBUG else "json"
    )
    LOG_LEVEL = read.choice(
        "FLUX_LOG_LEVEL", options=("DEBUG", "INFO", "WARNING", "ERROR"), default="INFO"
    )

    # --- API ----------------------------------------------------------------------------------
    API_REQUESTS_PER_SECOND = read.number("FLUX_API_REQUESTS_PER_SECOND", default=10, at_least=0.01)
    API_BURST = read.whole_number("FLUX_API_BURST", default=50, at_least=1)
    API_ANSWER_HOURS = read.number("FLUX_API_ANSWER_HOURS", default=24, at_least=0.01)
    API_BODY_BYTES = read.whole_number("FLUX_API_BODY_BYTES", default=2_000_000, at_least=1000)
    # Per key, and per address for those who call without one (`apps.brands.api.buckets`).
    RATE_BUCKETS = {
        "email": read.allowance("FLUX_BUCKET_EMAIL", per_second=20, burst=100),
        "email-client": read.allowance("FLUX_BUCKET_EMAIL_CLIENT", per_second=0.2, burst=10),
        "transactional": read.allowance("FLUX_BUCKET_TRANSACTIONAL", per_second=50, burst=200),
        "public": read.allowance("FLUX_BUCKET_PUBLIC", per_second=20, burst=100),
        "public-client": read.allowance("FLUX_BUCKET_PUBLIC_CLIENT", per_second=2, burst=40),
        "queueWorker": read.allowance("FLUX_BUCKET_QUEUE_WORKER", per_second=50, burst=200),
    }
    # --- Joining the newsletter -----------------------------------------------------------------
    CONFIRM_LINK_DAYS = read.number("FLUX_CONFIRM_LINK_DAYS", default=7, at_least=0.01, at_most=365)
    # Confirmations and welcomes that one address gets within the span, whoever asks.
    JOIN_MAILS = read.whole_number("FLUX_JOIN_MAILS", default=3, at_least=1)
    JOIN_MAILS_HOURS = read.number("FLUX_JOIN_MAILS_HOURS", default=24, at_least=0.01)
    PAUSE_DAYS = read.whole_number("FLUX_PAUSE_DAYS", default=30, at_least=1)
    COUNT_CACHE_SECONDS = read.whole_number("FLUX_COUNT_CACHE_SECONDS", default=60, at_least=0)
    CACHE_LEASE_SECONDS = read.number("FLUX_CACHE_LEASE_SECONDS", default=60, at_least=0.5)
    # The captcha of the contact form: any service of Turnstile's form.
    CAPTCHA_VERIFY_URL = read.url(
        "FLUX_CAPTCHA_VERIFY_URL",
        schemes=("https", "http"),
        default="https://challenges.cloudflare.com/turnstile/v0/siteverify",
    )
    CAPTCHA_TOTAL_SECONDS = read.number("FLUX_CAPTCHA_TOTAL_SECONDS", default=3, at_least=0.05)
    # Texts within an hour from one address, and from one client.
    CONTACT_FORM_HOURLY = read.whole_number("FLUX_CONTACT_FORM_HOURLY", default=5, at_least=1)
    CONTACT_FORM_DAYS = read.whole_number("FLUX_CONTACT_FORM_DAYS", default=365, at_least=1)
    # Proxies whose X-Forwarded-For is believed: the web server listens on loopback behind one.
    TRUSTED_PROXIES = read.networks("FLUX_TRUSTED_PROXIES", default="127.0.0.0/8,::1/128")

    if PROVIDER_TOTAL_SECONDS * 1.5 > BATCH_LEASE_SECONDS:
        raise SettingProblem(  # noqa: TRY301
            f"FLUX_PROVIDER_TOTAL_SECONDS is {PROVIDER_TOTAL_SECONDS:g}; expected at most two "
            f"thirds of FLUX_BATCH_LEASE_SECONDS ({BATCH_LEASE_SECONDS:g}), so that a call "
            "always ends inside its lease."
        )
    if PROVIDER_TOTAL_SECONDS * 1.5 > SEGMENT_LEASE_SECONDS:
        raise SettingProblem(  # noqa: TRY301
            f"FLUX_SEGMENT_LEASE_SECONDS is {SEGMENT_LEASE_SECONDS:g}; expected at least one and a "
            f"half times FLUX_PROVIDER_TOTAL_SECONDS ({PROVIDER_TOTAL_SECONDS:g}), so that a call "
            "always ends inside its lease."
        )
    if WEBHOOK_TOTAL_SECONDS * 3 > WEBHOOK_LEASE_SECONDS:
        raise SettingProblem(  # noqa: TRY301
            f"FLUX_WEBHOOK_TOTAL_SECONDS is {WEBHOOK_TOTAL_SECONDS:g}; expected at most a third of "
            f"FLUX_WEBHOOK_LEASE_SECONDS ({WEBHOOK_LEASE_SECONDS:g}), so that a call always ends "
            "inside its lease, a slow look-up of the name included."
        )
except SettingProblem as problem:
    quit_on_problem(problem)

# --- Django -----------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "waffle",
    "apps.queues",
    "apps.brands",
    "apps.contacts",
    "apps.mail",
    "apps.newsletter",
    "apps.campaigns",
    "apps.sms",
    "apps.station",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Around the lines of a request, so that its last one has the id too.
    "apps.queues.correlation.CorrelationMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "apps.brands.api.routing.TrailingSlashMiddleware",
    "apps.newsletter.cors.OriginMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.brands.acting.ActorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        **environ.Env.db_url_config(DATABASE_URL, engine="django.db.backends.postgresql"),
        # A worker keeps its connection; the health check lets it heal after a database crash.
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 5,
            "keepalives_idle": 20,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
        },
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
# WhiteNoise serves them from where the apps keep them: no step to collect, nothing to forget.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "default"},
    # So a flag that was switched is seen by every process within seconds, and costs no look-up.
    "flags": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "flags",
        "TIMEOUT": 5,
    },
}
WAFFLE_CACHE_NAME = "flags"
WAFFLE_ENABLE_ADMIN_PAGES = False  # ours ask for rights (`apps.station.queues_desk`)

SECURE = PUBLIC_BASE_URL.startswith("https://")
SESSION_COOKIE_SECURE = SECURE
CSRF_COOKIE_SECURE = SECURE
CSRF_TRUSTED_ORIGINS = [PUBLIC_BASE_URL]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.brands.api.parsing.StationJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "apps.brands.api.parsing.JSONAlways",
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.brands.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["apps.brands.api.authentication.HoldsScope"],
    "DEFAULT_PAGINATION_CLASS": "apps.brands.api.pages.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "apps.brands.api.answering.answer_exception",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Flux Station",
    "DESCRIPTION": "Contacts, topics, suppressions, templates and campaigns of one brand.",
    "VERSION": "1",
    "SERVERS": [{"url": PUBLIC_BASE_URL}],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api",
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": True,
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "SORT_OPERATIONS": False,
    # Files of our own: the documentation loads nothing from foreign hosts.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "POSTPROCESSING_HOOKS": ["apps.brands.api.documents.document_common_answers"],
}

UNFOLD = desk.UNFOLD
SIDEBAR = desk.SIDEBAR

# Ids of callers are taken as we accept them (`CorrelationMiddleware`); whence they call is nobody's
# business in a log.
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = False
DJANGO_STRUCTLOG_TRUST_UPSTREAM_CORRELATION_ID = False
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
LOGGING_CONFIG = None
configure_logs(level=LOG_LEVEL, as_json=LOG_FORMAT == "json")
report_errors(dsn=SENTRY_DSN, environment=ENVIRONMENT)
