"""What people do with texts: tracked links, events, and what they are attributed to."""
