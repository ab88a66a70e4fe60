"""Sequences: mails that follow a person's own calendar, sent together with everybody else's."""
