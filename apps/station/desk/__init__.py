"""The home page of admin: what runs, what comes, what came of it, and what needs a person."""
