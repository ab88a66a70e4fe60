"""Sending under fire: what must hold whatever dies. Long by `make faults`, short in the suite."""
