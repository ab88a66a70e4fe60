"""Who can be reached by mail: contacts, topics, consent, suppression and import."""
