"""Webhook endpoints and deliveries of the key's brand."""
