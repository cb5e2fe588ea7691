"""CEL: the language of a trigger's condition, read, checked and bounded before it ever runs."""
