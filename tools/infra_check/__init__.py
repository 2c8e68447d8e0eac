"""The offline gate of `infra/`: what can be known of the templates without Azure and without a Bicep compiler.

`make infra-check` runs every rule, checkov where it is installed, and `bicep build` and `bicep lint` where a compiler
is on the PATH, and writes `build/infra.json`. The rules are no compiler: they know this project's promises, not the
language. A rule reads files below one root only, so that tests can run it on a broken copy.
"""
