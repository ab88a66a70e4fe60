"""A stand-in for the Resend API: sending, idempotency, limits, domains, contacts and webhooks.

Adding an endpoint takes a function in the file of its noun (`emails.py`, `contacts.py`, ...) and a
line in `routes.py`. A request passes `gate.py` (key, limit, route), then its endpoint; sends also
pass `sending.py` (idempotency, faults) on their way, calls about contacts `contact_calls.py`
(faults, and a log with the beginning and the end of each).

Where the provider's documents are silent or disagree, the stand-in takes the stricter reading:

- The limit is a sliding window, and every request of a known key counts; refused ones do not
  take a place. `rate_window` switches to a fixed one.
- A message is accepted, and in the log, when its request has arrived whole; latency comes after.
  Its key is in flight until the latency is over.
- A repeated body has to be identical byte by byte.
- Error answers are not remembered under a key unless `remember_errors` says so; 409 and 429
  never are.
- An unverified sender refuses a permissive batch as a whole.
- `scheduled_at` in a batch is refused unless `batch_scheduled_at` allows it.
- Addresses are ASCII: an internationalised domain has to come as punycode.
- Creating a contact that exists is refused with 409 unless `contact_exists` says otherwise, and so
  is, with 404, removing somebody from a segment they are not in.
- Quotas count recipients (to, cc and bcc) by UTC day and month.
"""
