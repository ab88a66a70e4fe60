"""A stand-in for the Resend API: sending, idempotency, limits, domains and webhooks."""
