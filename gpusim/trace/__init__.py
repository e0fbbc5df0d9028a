"""Traces: files -> Trace of Launch, Program, Buffer; the versioned format and its importers."""
