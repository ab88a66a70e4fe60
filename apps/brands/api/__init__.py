"""What every resource of the API stands on: keys, scopes, pages, errors, idempotency, limits.

Resources live in their own app's `api` package and build on `views.StationViewSet`. Explained in
docs/adr/0011; for callers in docs/api.md.
"""
