"""What the generator does with the messages it gets: keep, compose, sign, store, announce."""
