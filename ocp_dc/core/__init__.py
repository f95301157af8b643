"""What every layer may import: errors, options, files, locks. Needs numpy at most."""
