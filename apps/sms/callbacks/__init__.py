"""What the provider tells us about numbers, unasked and unsigned; and the answers that follow."""
