"""What a pass is, as pure functions: template document, key registry, paths, magic, rules."""
