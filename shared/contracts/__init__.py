"""The public face of each service: the requests it answers and the facts it announces."""
