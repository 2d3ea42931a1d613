"""Links that hold, sealed, what a pass is to be made of when somebody opens them."""
