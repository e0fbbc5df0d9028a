"""Issue: blocks of a kernel + ISA family -> issue cost, registers, messages."""
