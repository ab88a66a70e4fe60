"""Outgoing webhooks: other systems are told what happened to campaigns and messages.

`collecting` turns what the rooms below wrote into events and deliveries, `sending` carries those
out, endpoint by endpoint, and `endpoints` is what operators change. Nobody below knows of it.
"""
