"""What a pass may hold: keys, values and their forms, images, and what is wrong with them."""
