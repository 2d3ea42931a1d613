"""What Google Wallet needs: its keys, classes and objects of a template, its callbacks. Pure."""
