"""Alert rules over stored readings: not built yet. Device types already declare their rules (iotsphere/devices/)."""
