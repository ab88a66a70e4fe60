"""How the queues stand: what waits, what was done, what is wrong."""
