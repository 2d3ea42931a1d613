"""Styles: looks that are laid over any template, and groups that pick one by points."""
