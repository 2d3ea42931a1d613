"""Messages between services: joined requests, events by outbox and inbox, over either transport."""
