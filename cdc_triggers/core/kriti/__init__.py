"""Kriti, the template language of Hasura: JSON with `{{ expressions }}`. Pure.

`template` compiles and runs; `lexer` and `parser` read, `compiler` makes closures of what was read.
"""
