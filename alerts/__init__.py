"""From episodes to people: the manager's step (pure), the feed's memory (pure), the gateway and its client."""
