"""Device models: YAML with evidence for every figure -> frozen DeviceSpec."""
