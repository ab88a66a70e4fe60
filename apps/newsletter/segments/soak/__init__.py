"""The soak of the segment queue: bursts against a provider or a rehearsal, and a verdict."""
