"""What each wallet reads, made of a card: one module per wallet. No I/O."""
