#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns a file into a C array: embed.py FILE NAME > NAME.c

NAME.h declares NAME[] and NAME_size_bytes."""

import pathlib
import sys

content = pathlib.Path(sys.argv[1]).read_bytes()
name = sys.argv[2]
print(f'#include "app/{name}.h"')
print(f"const char {name}[] = {{")
for start in range(0, len(content), 16):
    print("    " + "".join(f"{byte - 256 if byte > 127 else byte}, "
                           for byte in content[start:start + 16]))
print("};")
print(f"const size_t {name}_size_bytes = sizeof({name});")
