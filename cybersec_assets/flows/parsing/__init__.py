"""What readers are made of: how lines, fields, values and columns are understood, whatever the format."""
