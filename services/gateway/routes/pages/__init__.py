"""Pages that people open, and the files behind them."""
