"""What an operator asks of mail that went out: figures, recipients, links, bounces."""
