"""How work travels: names, enqueue, the base task, limiter, dead letters, schedules.

Knows no other app: rooms above register what is due, what is scheduled and how to drive a dead
letter again.
"""
