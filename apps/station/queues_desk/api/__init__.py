"""Health of the queues, dead letters, and working queues off by request."""
