"""Pulse: what people do elsewhere, told in bulk, stored without loss.

`reading` checks a call, `taking` keeps it as one row and answers, `storing` puts the interactions
of many calls into their table, and `letters` gives back what could not be stored.
"""
