"""What every service stands on; only contracts and passes know business words."""
